# syntax=docker/dockerfile:1
# One image for every service: docker build --build-arg SERVICE=executor --target service .
# `local` holds everything, the embedded engines too: for docker-compose and the local overlay.
ARG NODE_IMAGE=node:24-trixie-slim@sha256:c319bb4fac67c01ced508b67193a0397e02d37555d8f9b72958649efd302b7f8
ARG RUN_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot@sha256:9eeb7f5887d0e239e78264b06f7f11d2e14be534050481803a9e4728fcdd278e

# The manifests alone: what is installed is installed again only when one of them changes.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json -delete

FROM ${NODE_IMAGE} AS tree
ARG SERVICE
WORKDIR /app
COPY --from=manifests /app .
RUN npm ci --ignore-scripts --omit=dev --omit=optional -w services/${SERVICE}
COPY schemas schemas
COPY configs configs
COPY ps_templates ps_templates
COPY libs libs
COPY services/${SERVICE} services/${SERVICE}
# Workspaces stay links: Node strips no types below a real node_modules. Nobody imports a service, so its folder may get one name for all.
RUN rm -rf libs/local-* libs/*/test && mv services/${SERVICE} services/service && rm -rf services/service/test

FROM ${RUN_IMAGE} AS service
WORKDIR /app
ENV NODE_ENV=production
COPY --from=tree --chown=0:0 /app .
USER 65532:65532
EXPOSE 8080 9090
CMD ["services/service/src/main.ts"]

FROM ${NODE_IMAGE} AS local
ARG SERVICE
WORKDIR /app
COPY --chown=1000:1000 . .
RUN npm ci --ignore-scripts && rm -rf node_modules/node-linux-* && mkdir -p /data && chown 1000:1000 /data
ENV ENTRY=services/${SERVICE}/src/main.ts
USER 1000:1000
CMD ["sh", "-c", "exec node --watch $ENTRY"]

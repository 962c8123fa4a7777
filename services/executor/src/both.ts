/** Both results; a failure of one is thrown only after the other has ended too, so that nothing is left running behind the caller's back. */
export const both = async <A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> => {
  await Promise.allSettled([a, b])
  return Promise.all([a, b])
}

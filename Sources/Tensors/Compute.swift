import CKernels
import COpenBLAS

/// Where numbers are computed: a pool of threads and the rules by which work is cut for it.
///
/// OpenBLAS is called single-threaded from inside the pool, so the split of the work is ours and
/// no result depends on the thread count. Operations are extensions of this type, a file a kind.
package struct Compute: Sendable {
  package let pool: ThreadPool
  /// What has been computed so far, for benchmarks.
  package let work = WorkCounter()
  /// Where its time goes, if that is to be measured.
  package let profile: WorkProfile?

  /// - Parameters:
  ///   - threads: how many; by default as many processors as this process may run on.
  ///   - profile: gets the time of every operation.
  package init(threads: Int? = nil, profile: WorkProfile? = nil) {
    openblas_set_num_threads(1)
    // Big activations come and go every layer: keep their pages instead of returning them to the
    // kernel, which would clear them anew each time.
    segmoe_keep_freed_pages()
    pool = ThreadPool(threadCount: threads ?? ProcessorLimit.current)
    self.profile = profile
  }

  /// Runs `body` over `0..<count` in pieces of `grain`, on the pool.
  package func forEachRange(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let pieces = (count + grain - 1) / grain
    pool.run(pieces) { piece in
      body(piece * grain..<min(count, (piece + 1) * grain))
    }
  }
}

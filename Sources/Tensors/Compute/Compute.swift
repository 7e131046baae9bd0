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
  /// Given where nothing is computed and only memory is counted: all tensors are planned ones then.
  package let plan: MemoryMeter?
  /// Given where a tile is normalized as the picture that it is of.
  package private(set) var moments: GroupMoments?

  /// - Parameters:
  ///   - threads: how many; by default as many processors as this process may run on.
  ///   - profile: gets the time of every operation.
  package init(threads: Int? = nil, profile: WorkProfile? = nil) {
    openblas_set_num_threads(1)
    pool = ThreadPool(threadCount: threads ?? ProcessorLimit.current)
    self.profile = profile
    plan = nil
  }

  /// Computes nothing: what it is given to run takes no time, and `plan` counts the memory that it would
  /// take.
  package init(planning plan: MemoryMeter) {
    pool = ThreadPool(threadCount: 1)
    profile = nil
    self.plan = plan
  }

  /// The same, normalizing with shared sums.
  package func sharing(_ moments: GroupMoments) -> Compute {
    var compute = self
    compute.moments = moments
    return compute
  }

  /// A result to sum up in.
  package func zeros(shape: [Int]) -> Tensor {
    if let plan { return Tensor(planned: shape, meter: plan) }
    return Tensor(shape: shape)
  }

  /// A result that `fill` writes; of a plan, a planned tensor.
  package func tensor(shape: [Int], fill: (UnsafeMutableBufferPointer<Float>) -> Void) -> Tensor {
    if let plan { return Tensor(planned: shape, meter: plan) }
    return Tensor(shape: shape, fill: fill)
  }

  /// Runs `body` over `0..<count` in pieces of `grain`, on the pool.
  package func forEachRange(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let pieces = (count + grain - 1) / grain
    pool.run(pieces) { piece in
      body(piece * grain..<min(count, (piece + 1) * grain))
    }
  }
}

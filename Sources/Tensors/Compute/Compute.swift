import CKernels
import COpenBLAS

/// Where numbers are computed: a pool of threads, and the rules that cut work into tasks for it.
///
/// OpenBLAS is called single-threaded from inside the pool. So we alone split the work, and no result depends on the
/// number of threads. Operations are extensions of this type, one file for each kind.
package struct Compute: Sendable {
  package let pool: ThreadPool
  /// For how many threads work is cut into tasks: those of the pool, or those that a plan is made for.
  package let taskThreads: Int
  /// What has been computed so far, for benchmarks.
  package let work = WorkCounter()
  /// Measures where the time goes; nil if it is not measured.
  package let profile: WorkProfile?
  /// Records the tasks of one thread; nil if they are not recorded.
  package let trace: SectionTrace?
  /// If given, nothing is computed and memory is only counted: all tensors are meta tensors.
  package let plan: MemoryMeter?
  /// If given, a tile is normalized with the sums of its whole picture.
  package private(set) var moments: GroupMoments?

  /// - Parameters:
  ///   - threads: how many; by default as many processors as this process may run on.
  ///   - taskThreads: for how many the work is cut, if not for these.
  ///   - profile: gets the time of every operation.
  package init(threads: Int? = nil, taskThreads: Int? = nil, profile: WorkProfile? = nil) {
    openblas_set_num_threads(1)
    pool = ThreadPool(threadCount: threads ?? ProcessorLimit.current)
    self.taskThreads = taskThreads ?? pool.threadCount
    self.profile = profile
    trace = nil
    plan = nil
  }

  /// Computes on one thread, which the trace records when it is told to, the tasks that `taskThreads` would share out.
  package init(tracing trace: SectionTrace, taskThreads: Int) {
    openblas_set_num_threads(1)
    pool = ThreadPool(threadCount: 1, trace: trace)
    self.taskThreads = taskThreads
    profile = nil
    self.trace = trace
    plan = nil
  }

  /// Computes nothing. `plan` counts the memory that the same work would take on `taskThreads` threads.
  package init(planning plan: MemoryMeter, taskThreads: Int) {
    pool = ThreadPool(threadCount: 1)
    self.taskThreads = taskThreads
    profile = nil
    trace = nil
    self.plan = plan
  }

  /// The same, but tiles are normalized with the sums of their whole picture.
  package func sharing(_ moments: GroupMoments) -> Compute {
    var compute = self
    compute.moments = moments
    return compute
  }

  /// A tensor of zeros, for sums.
  package func zeros(shape: [Int]) -> Tensor {
    if let plan { return Tensor(meta: shape, meter: plan) }
    return Tensor(shape: shape)
  }

  /// A tensor that `fill` writes; a meta tensor if this is a plan.
  package func tensor(shape: [Int], fill: (UnsafeMutableBufferPointer<Float>) -> Void) -> Tensor {
    if let plan { return Tensor(meta: shape, meter: plan) }
    return Tensor(shape: shape, fill: fill)
  }

  /// A tensor that `fill` writes, with temporary memory to work in. A plan counts both.
  /// - Parameters:
  ///   - shape: the shape of the tensor.
  ///   - bytes: the bytes of temporary memory, aligned to 64. Its contents are undefined.
  ///   - fill: writes the tensor.
  func tensor(
    shape: [Int], temporary bytes: Int,
    fill: (UnsafeMutableBufferPointer<Float>, _ temporary: UnsafeMutableRawPointer) -> Void
  ) -> Tensor {
    let result = tensor(shape: shape) { result in withTemporary(bytes) { fill(result, $0) } }
    plan?.touch(bytes)
    return result
  }

  /// Changes `x` in place, with temporary memory to work in. A plan counts that, and the copy that is made if another
  /// value shares the elements.
  /// - Parameters:
  ///   - x: the tensor.
  ///   - bytes: the bytes of temporary memory, aligned to 64. Its contents are undefined.
  ///   - body: changes the elements.
  func change(
    _ x: inout Tensor, temporary bytes: Int = 0,
    _ body: (UnsafeMutableBufferPointer<Float>, _ temporary: UnsafeMutableRawPointer) -> Void
  ) {
    if let plan {
      x.planWrite()
      return plan.touch(bytes)
    }
    x.withUnsafeMutable { x in withTemporary(bytes) { body(x, $0) } }
  }

  /// Lends temporary memory, aligned to 64; its contents are undefined. A plan counts it and does not run `body`.
  func working(in bytes: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
    if let plan { return plan.touch(bytes) }
    withTemporary(bytes, body)
  }

  /// Lends memory that goes when `body` ends. Only what counts it in a plan may call this.
  private func withTemporary(_ bytes: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
    let block = MemoryBlock(byteCount: bytes)
    defer { withExtendedLifetime(block) {} }
    body(block.base)
  }

  /// Runs `body` over `0..<count` in pieces, on the pool. Its result must not depend on where a piece ends.
  /// - Parameters:
  ///   - count: how many.
  ///   - grain: how many a piece has at most; many threads get smaller pieces.
  ///   - unit: all pieces but the last are multiples of it.
  ///   - body: does a piece.
  func forEachRange(_ count: Int, grain: Int, unit: Int = 1, _ body: (Range<Int>) -> Void) {
    let units = (count + unit - 1) / unit
    let pieces = cut(1, of: units, into: (count + grain - 1) / grain, most: (16 * count + grain - 1) / grain)
    pool.run(pieces) { piece in
      let (start, end) = (piece * units / pieces * unit, (piece + 1) * units / pieces * unit)
      body(start..<min(count, end))
    }
  }
}

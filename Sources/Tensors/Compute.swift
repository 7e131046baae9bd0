import CKernels
import COpenBLAS
import Foundation

/// Where numbers are computed: a pool of threads and the rules by which work is cut for it.
///
/// OpenBLAS is called single-threaded from inside the pool, so the split of the work is ours and
/// no result depends on the thread count. Operations are extensions of this type, a file a kind.
package struct Compute: Sendable {
  package let pool: ThreadPool
  /// What has been computed so far, for benchmarks.
  package let work = WorkCounter()

  /// - Parameter threads: how many; by default as many processors as this process may run on.
  package init(threads: Int? = nil) {
    openblas_set_num_threads(1)
    // Big activations come and go every layer: keep their pages instead of returning them to the
    // kernel, which would clear them anew each time.
    segmoe_keep_freed_pages()
    pool = ThreadPool(threadCount: threads ?? Compute.availableProcessors)
  }

  /// Processors that this process may use: the affinity mask, further limited by the CPU quota of
  /// its control group (cgroup v2 `cpu.max`), rounded up.
  package static var availableProcessors: Int {
    let online = ProcessInfo.processInfo.activeProcessorCount
    guard let text = try? String(contentsOfFile: "/sys/fs/cgroup/cpu.max", encoding: .utf8) else {
      return online
    }
    let fields = text.split(whereSeparator: \.isWhitespace)
    guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]), period > 0
    else { return online }
    return max(1, min(online, Int((quota / period).rounded(.up))))
  }

  /// Runs `body` over `0..<count` in pieces of `grain`, on the pool.
  package func forEachRange(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let pieces = (count + grain - 1) / grain
    pool.run(pieces) { piece in
      body(piece * grain..<min(count, (piece + 1) * grain))
    }
  }
}

import Boundary
import Foundation
import JobStore
import Synchronization
import Tensors
import WeightCache

/// The daemon's counters since its start, for Prometheus.
package final class DaemonMetrics: Sendable {
  private struct Counts {
    var steps = 0
    var stepSeconds = 0.0
    var lastStepSeconds: Double?
    var checkpoints = 0
    var checkpointSeconds = 0.0
    var previews = 0
    var previewSeconds = 0.0
    var images = 0
    var outcomes: [String: Int] = ["done": 0, "failed": 0, "cancelled": 0, "given_back": 0, "lost": 0]
    var hits = 0
    var misses = 0
    var evictions = 0
    var bypasses = 0
    var stallSeconds = 0.0
    var bytesLoaded = 0
  }

  private let worker: String
  private let counts = Mutex(Counts())

  /// - Parameter worker: the daemon's name, the label of every number.
  package init(worker: String) { self.worker = worker }

  /// Counts a denoising step.
  package func step(seconds: Double) {
    counts.withLock {
      $0.steps += 1
      $0.stepSeconds += seconds
      $0.lastStepSeconds = seconds
    }
  }

  /// Counts a saved resume state.
  package func checkpoint(seconds: Double) {
    counts.withLock {
      $0.checkpoints += 1
      $0.checkpointSeconds += seconds
    }
  }

  /// Counts a stored preview.
  package func preview(seconds: Double) {
    counts.withLock {
      $0.previews += 1
      $0.previewSeconds += seconds
    }
  }

  /// Counts a picture that is on disk.
  package func image() { counts.withLock { $0.images += 1 } }

  /// Counts an attempt that is over. `outcome` is done, failed, cancelled, given_back or lost.
  package func attempt(_ outcome: String) { counts.withLock { $0.outcomes[outcome, default: 0] += 1 } }

  /// Adds what the cache of weights did for a job.
  package func cache(_ job: CacheCounts) {
    counts.withLock {
      $0.hits += job.hits
      $0.misses += job.misses
      $0.evictions += job.evictions
      $0.bytesLoaded += job.bytesLoaded
      $0.bypasses += job.bypasses
      $0.stallSeconds += job.stallSeconds
    }
  }

  /// All metrics in Prometheus's text format.
  /// - Parameter queue: the jobs of the queue; nil: they are not this daemon's to tell.
  package func text(queue: StateCounts?) -> String {
    let counts = counts.withLock { $0 }
    var page = PrometheusPage(["worker": worker])
    if let queue {
      page.add("segmoe_jobs", "gauge", "Jobs in the queue by state.", by: "state", queue.byState)
    }
    page.add(
      "segmoe_attempts_total", "counter", "Attempts of this daemon by how they ended.", by: "outcome",
      counts.outcomes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    page.add("segmoe_images_total", "counter", "Pictures written.", counts.images)
    page.add("segmoe_steps_total", "counter", "Denoising steps taken.", counts.steps)
    page.add("segmoe_step_seconds_total", "counter", "Seconds spent in denoising steps.", counts.stepSeconds)
    if let last = counts.lastStepSeconds {
      page.add("segmoe_step_seconds", "gauge", "Seconds of the last denoising step.", last)
    }
    page.add("segmoe_checkpoints_total", "counter", "Checkpoints written between steps.", counts.checkpoints)
    page.add(
      "segmoe_checkpoint_seconds_total", "counter", "Seconds spent in writing them.", counts.checkpointSeconds
    )
    page.add("segmoe_previews_total", "counter", "Previews stored between steps.", counts.previews)
    page.add(
      "segmoe_preview_seconds_total", "counter", "Seconds spent in making and storing them.",
      counts.previewSeconds)
    page.add(
      "segmoe_expert_cache_hits_total", "counter", "Uses of parts of models that were in memory.", counts.hits
    )
    page.add("segmoe_expert_cache_misses_total", "counter", "Parts read.", counts.misses)
    page.add(
      "segmoe_expert_cache_evictions_total", "counter", "Parts that left for others.", counts.evictions)
    page.add(
      "segmoe_expert_cache_bypasses_total", "counter", "Parts that left right after their use.",
      counts.bypasses)
    page.add(
      "segmoe_expert_stall_seconds_total", "counter", "Seconds waited for weights.", counts.stallSeconds)
    page.add("segmoe_expert_bytes_loaded_total", "counter", "Bytes of weights read.", counts.bytesLoaded)
    page.add("segmoe_resident_bytes", "gauge", "Resident memory of the daemon.", ResidentMemory.bytes)
    page.add("segmoe_resident_bytes_peak", "gauge", "Its highest so far.", ResidentMemory.peakBytes)
    return page.text
  }
}

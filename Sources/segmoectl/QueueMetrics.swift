import Boundary
import Foundation
import JobStore

/// What a queue is like, for Prometheus. Daemons do not tell it of a queue that many machines share, so that the sum over
/// machines is right: `segmoectl status --prometheus` tells it once.
struct QueueMetrics {
  private let gauges: QueueGauges
  /// Those that are alive.
  private let workers: [WorkerRecord]
  private let now: Milliseconds

  /// - Throws: `JobStoreError`
  init(_ store: any JobQueue, now: Milliseconds) throws {
    gauges = try store.gauges()
    workers = try store.workers().filter { $0.isAlive(now: now) }
    self.now = now
  }

  /// In Prometheus's text format.
  var text: String {
    var page = PrometheusPage()
    page.add(
      "segmoe_queue_jobs", "gauge", "Jobs in the queue by state.", by: "state", gauges.counts.byState)
    page.add("segmoe_queue_due_jobs", "gauge", "Jobs that a daemon would get if it came now.", gauges.due)
    page.add(
      "segmoe_queue_oldest_due_seconds", "gauge",
      "Seconds since the first of them was queued; 0: none is due.",
      age)
    page.add(
      "segmoe_queue_open_batches", "gauge", "Batches with jobs that are not over.", gauges.openBatches)
    page.add(
      "segmoe_queue_workers", "gauge", "Daemons that are alive by what they do.", by: "state",
      [WorkerState.idle, .rendering].map { state in
        (state.rawValue, workers.filter { $0.state == state }.count)
      })
    page.add("segmoe_queue_paused", "gauge", "1: nothing new is begun.", gauges.isPaused ? 1 : 0)
    return page.text
  }

  /// Clocks differ between machines, and a row may hold any time.
  private var age: Double {
    gauges.dueSince.map { max(0, (Double(now) - Double($0)) / 1000) } ?? 0
  }
}

import Foundation
import Requests

/// The queue for a worker, whatever keeps it: claim jobs under its name, keep their leases, and record their results.
///
/// Every method may be called from any thread. What names a lease throws `JobStoreError.leaseLost` if it is another's by
/// now.
package protocol JobWorker: Sendable {
  /// The worker's name, which is part of its leases.
  var name: String { get }

  /// The leases held now, in order of their jobs.
  var leases: [Lease] { get }

  /// Whether a job must be stopped, and why, as far as `beat` has found out.
  func verdict(of lease: Lease) -> WorkerSession.Verdict

  /// Takes the next job that is due: the highest priority first, then the lowest number.
  /// - Parameters:
  ///   - preferredModels: models in memory, whose jobs may overtake some others.
  ///   - lacked: models and files that this worker does not have.
  ///   - modelPatience: seconds after which a job fails if no live worker has had what it needs.
  ///   - numericsPatience: seconds that a job with a resume state waits for a worker of its class of numerics.
  ///   - limits: of a request; a job beyond them fails.
  /// - Returns: nil if nothing is due.
  func claim(
    preferredModels: [String], avoiding lacked: WorkerSession.Lacked, modelPatience: Double,
    numericsPatience: Double, limits: RenderLimits
  ) throws -> ClaimedJob?

  /// Renews all leases and the heartbeat. Not durable.
  func beat() throws

  /// Writes how far an image is. Not durable.
  /// - Parameters:
  ///   - progress: of one image.
  ///   - seconds: how long to wait for a lock.
  ///   - lease: of the job.
  func report(_ progress: ImageProgress, waiting seconds: Double, _ lease: Lease) throws -> Instruction

  /// Notes what a running job waits for. Not durable.
  func note(_ message: String, _ lease: Lease) throws

  /// Notes the default size of a running job's pictures, in pixels. Not durable.
  func note(width: Int, height: Int, _ lease: Lease) throws

  /// Asks whether to go on.
  func instruction(_ lease: Lease) throws -> Instruction

  /// Saves a resume state of an image over the one before. Not durable.
  /// - Parameters:
  ///   - state: the state, sealed.
  ///   - step: steps that are done.
  ///   - index: of the picture within the job.
  ///   - modelDigest: of the model that renders it.
  ///   - seconds: how long to wait for a lock; nil: as long as ever.
  ///   - lease: of the job.
  /// - Returns: the seconds that it took.
  func keep(
    _ state: Data, step: Int, index: Int, modelDigest: String, waiting seconds: Double?, _ lease: Lease
  ) throws -> Double

  /// Announces the file that is about to get its final name. It is durable when the call returns.
  func announce(_ image: ImageRecord, step: Int, modelDigest: String, _ lease: Lease) throws

  /// Records that a job is done: its images, which are on disk under their final names, and its statistics.
  /// - Throws: `JobStoreError.leaseLost`, `.wrongImages`
  func finish(
    _ lease: Lease, images: [ImageRecord], statistics: RenderStatistics, modelDigest: String?
  ) throws

  /// Records that an attempt failed. Bad input ends the job; after others it is queued again after a growing pause, if it
  /// has attempts left and was not cancelled.
  func fail(_ lease: Lease, message: String, kind: FailureKind, backoff: Backoff) throws -> FailureOutcome

  /// Gives a job back because the worker stops. The attempt does not count.
  func giveBack(_ lease: Lease) throws

  /// Records that the worker stopped rendering a job because it was cancelled.
  func cancelled(_ lease: Lease) throws

  /// The job cannot end as it should, because its row is wrong: it fails, with the reason.
  func refuse(_ lease: Lease, message: String) throws

  /// Signs the worker off. It should have given its jobs back before.
  func signOff() throws

  /// Closes the connection.
  func close() throws
}

extension WorkerSession: JobWorker {}

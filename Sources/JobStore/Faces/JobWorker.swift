import Foundation
import Requests

/// The queue for a worker, whatever keeps it: claim jobs under its name, keep their leases, and record their results.
///
/// Every method may be called from any thread. What names a lease throws `JobStoreError.leaseLost` if it is another's by
/// now.
package protocol JobWorker: Sendable {
  /// The worker's name, which is part of its leases.
  var name: String { get }

  /// Seconds until a lease expires unless it is renewed.
  var leaseSeconds: Double { get }

  /// The queue, for whoever only looks at it.
  var queue: any JobQueue { get }

  /// The same worker on a connection of its own, with the same leases.
  func beside() throws -> Self

  /// The leases held now, in order of their jobs.
  var leases: [Lease] { get }

  /// Whether a job must be stopped, and why, as far as `beat` has found out.
  func verdict(of lease: Lease) -> WorkerSession.Verdict

  /// Notes what was found out about a job.
  func learn(_ verdict: WorkerSession.Verdict, of lease: Lease)

  /// Stops holding a lease, whatever its row says.
  func drop(_ lease: Lease)

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

  /// Takes another job that can go through the model together with one at work.
  /// - Parameters:
  ///   - request: of the job at work.
  ///   - limits: of a request.
  ///   - files: what this worker lacks.
  ///   - waits: whether to wait for a lock.
  /// - Returns: nil if there is none.
  func claimCompanion(
    of request: RenderRequest, limits: RenderLimits, without files: Set<String>, waits: Bool
  ) throws -> ClaimedJob?

  /// A number that changes when there may be something new to claim. It is cheap.
  func changeMark() throws -> Int64

  /// A descriptor that can be read when there may be something new to claim, for the thread that claims; nil: only looks
  /// tell.
  func newsDescriptor() -> Int32?

  /// Takes in what came there.
  /// - Returns: whether there may be something new.
  func hears() -> Bool

  /// How many workers share the queue, as far as the last look told. The more, the rarer each looks.
  var crowd: Int { get }

  /// When `claim` may find a job although the mark is the same, by the queue's clock (`JobQueue.now`); nil: never.
  func nextDue(numericsPatience: Double) throws -> Milliseconds?

  /// Those of the given jobs that are running now.
  func running(among jobs: Set<Int64>) throws -> Set<Int64>

  /// How many jobs have failed since it signed on.
  func failedJobs() throws -> Int

  /// Renews all leases and the heartbeat. Not durable.
  func beat() throws

  /// Writes the heartbeat and what the worker does. Not durable.
  func heartbeat() throws

  /// Changes what people should know of the worker beside its version and process.
  func introduce(_ introduction: String) throws

  /// Checks that the queue is the one that was opened, and that the worker still has its name.
  /// - Throws: `JobStoreError.replaced`, `.schemaTooNew`, `.workerNameTaken`
  func verify() throws

  /// What `verify` checks, unless `claim` and `changeMark` check it themselves.
  /// - Throws: as `verify`
  func verifyBeforeClaim() throws

  /// Whether there may be such work, as far as the last claim or look told. It asks nothing.
  func mayHave(_ chores: Chores) -> Bool

  /// The part of `verify` that no change tells of, without asking the queue.
  func verifyPlace() throws

  /// Counts leases from now, after a clock was set back.
  func shortenLeases() throws

  /// Counts leases from now, after a clock was set forward.
  func extendLeases() throws

  /// Makes room in the store's log.
  func reuseLog() throws

  /// The size of the store's log in bytes, if a reader keeps it from being used again.
  func pinnedLog() throws -> Int64?

  /// Writes how far an image is. Not durable.
  /// - Parameters:
  ///   - progress: of one image.
  ///   - seconds: how long to wait for a lock.
  ///   - lease: of the job.
  @discardableResult
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
  @discardableResult
  func keep(
    _ state: Data, step: Int, index: Int, modelDigest: String, waiting seconds: Double?, _ lease: Lease
  ) throws -> Double

  /// Stores a preview of an image over the one before. Not durable.
  /// - Parameters:
  ///   - png: the file.
  ///   - step: the step after which it was made.
  ///   - index: of the image within the job.
  ///   - lease: of the job.
  /// - Returns: the seconds that it took.
  @discardableResult
  func keep(preview png: [UInt8], step: Int, index: Int, _ lease: Lease) throws -> Double

  /// Announces the file that is about to get its final name. It is durable when the call returns.
  func announce(_ image: ImageRecord, step: Int, modelDigest: String, _ lease: Lease) throws

  /// Notes that a file got its final name after its job had been taken away.
  func disown(_ image: ImageRecord, job: Int64, modelDigest: String) throws

  /// Calls `judge` for the finished pictures of failed and cancelled jobs, and does with their rows what it says.
  /// - Parameters:
  ///   - output: the folder of this worker's pictures.
  ///   - judge: what becomes of a picture.
  /// - Returns: how many rows are dealt with.
  @discardableResult
  func settleLeftovers(below output: String, _ judge: (Leftover) throws -> Leftover.Fate) throws -> Int

  /// Records that a job is done: its images, which are on disk under their final names, and its statistics.
  /// - Throws: `JobStoreError.leaseLost`, `.wrongImages`
  func finish(
    _ lease: Lease, images: [ImageRecord], statistics: RenderStatistics, modelDigest: String?
  ) throws

  /// Records that an attempt failed. Bad input ends the job; after others it is queued again after a growing pause, if it
  /// has attempts left and was not cancelled.
  @discardableResult
  func fail(_ lease: Lease, message: String, kind: FailureKind, backoff: Backoff) throws -> FailureOutcome

  /// Gives a job back because the worker stops. The attempt does not count.
  func giveBack(_ lease: Lease) throws

  /// Gives a job back because this worker lacks its model, or a file that it adds to it.
  /// - Parameters:
  ///   - thing: the name of the model or file in the job.
  ///   - reason: why it cannot be loaded, in words.
  ///   - lease: of the job.
  func lack(_ thing: String, reason: String, _ lease: Lease) throws

  /// Notes that the files of something lacked have changed.
  func expect(_ thing: String) throws

  /// Makes a model known.
  /// - Parameters:
  ///   - model: what is known about it.
  ///   - loaded: whether it has just been loaded.
  ///   - files: what was loaded with it, by its names in jobs.
  func register(_ model: ModelRecord, loaded: Bool, with files: [String]) throws

  /// Says which models are in this worker's folders.
  /// - Parameters:
  ///   - found: the models, each name once.
  ///   - areAll: whether it takes no others.
  func declare(_ found: [ModelRecord], areAll: Bool) throws

  /// Whether the queue has what `declare` said.
  func hasDeclared(_ count: Int, areAll: Bool) throws -> Bool

  /// Whether queued jobs wait for what a living fetcher will bring.
  func isAwaitingSources() throws -> Bool

  /// Looks whether what queued jobs wait for is in this worker's own folders.
  /// - Parameter isHere: whether they have something of that name.
  /// - Returns: the names that were found.
  func takeLocalSources(_ isHere: (String) -> Bool) throws -> [String]

  /// Where lies what was brought to this machine of what the worker lacks.
  /// - Parameter lacked: names of models and files, as jobs have them.
  func arrivals(among lacked: Set<String>) throws -> [String: String]

  /// Records that the worker stopped rendering a job because it was cancelled.
  func cancelled(_ lease: Lease) throws

  /// The job cannot end as it should, because its row is wrong: it fails, with the reason.
  func refuse(_ lease: Lease, message: String) throws

  /// Signs the worker off. It should have given its jobs back before.
  func signOff() throws

  /// Closes the connection.
  func close() throws
}

extension WorkerSession: JobWorker {
  /// A file is asked before each claim whether it is still the queue.
  package func verifyBeforeClaim() throws { try verify() }

  /// Asking a file costs less than keeping account.
  package func mayHave(_ chores: Chores) -> Bool { true }

  /// The queue on the same connection.
  package var queue: any JobQueue { client }

  /// A number that changes whenever another connection commits.
  package func changeMark() throws -> Int64 { try client.changeMark() }

  /// The kernel tells of commits, and the queue does not.
  package func newsDescriptor() -> Int32? { nil }

  /// The kernel tells of commits, and the queue does not.
  package func hears() -> Bool { false }

  /// On one machine, what jobs name is there before they are due.
  package func arrivals(among lacked: Set<String>) throws -> [String: String] { [:] }

  /// A look at a file costs nobody else anything.
  package var crowd: Int { 1 }
}

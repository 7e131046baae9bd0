import Requests

/// The queue for a fetcher, whatever keeps it: take what jobs name of a hub, say how far it is, and where it lies in the
/// end.
///
/// Every method may be called from any thread, throws `JobStoreError`, and blocks. What names a source that another fetcher
/// has by now changes nothing.
package protocol JobFetcher: Sendable {
  /// The fetcher's name.
  var name: String { get }

  /// The queue, for whoever only looks at it.
  var queue: any JobQueue { get }

  /// Takes the source that was wanted first, unless none of its jobs is open any more or another fetcher is at the same
  /// one.
  /// - Returns: nil if there is nothing to fetch now.
  func claim() throws -> ClaimedSource?

  /// When there may be something to fetch although nothing was committed, by the queue's clock; nil: never.
  func nextDue() throws -> Milliseconds?

  /// Seconds between two looks for something to fetch where nobody tells of it.
  var lookPause: Double { get }

  /// A descriptor that can be read when there may be something to fetch; nil: only looks tell.
  func newsDescriptor() -> Int32?

  /// Takes in what came there.
  /// - Returns: whether there may be something new.
  func hears() -> Bool

  /// Writes how far a source is. Not durable.
  /// - Returns: whether to go on: the source is still this fetcher's, and a job still wants it.
  func report(_ source: ClaimedSource, done: Int, total: Int, perSecond: Int) throws -> Bool

  /// Records where a source lies. Its jobs name it by `found` from now on, and may be rendered once all that they name
  /// is there.
  /// - Parameters:
  ///   - source: as it was taken.
  ///   - found: what it is, with its commit.
  ///   - revision: the commit or version; nil: none is known.
  ///   - path: where it lies.
  ///   - bytes: the bytes of all its files.
  func finish(_ source: ClaimedSource, name found: String, revision: String?, path: String, bytes: Int) throws

  /// Records that a source is in a folder of models under its very name.
  /// - Parameters:
  ///   - source: as it was taken.
  ///   - path: where it lies.
  func finish(_ source: ClaimedSource, localPath path: String) throws

  /// Records that a source cannot be had.
  /// - Parameters:
  ///   - source: as it was taken.
  ///   - message: names the source and the mend.
  ///   - pause: seconds until it is tried again; nil: never, and its waiting jobs fail with the message.
  func fail(_ source: ClaimedSource, message: String, tryingAgainIn pause: Double?) throws

  /// Gives a source back because the fetcher stops, or nobody wants it any more.
  func giveBack(_ source: ClaimedSource) throws

  /// Writes the heartbeat, and frees what fetchers that were silent for a minute were at. Call it every few seconds.
  func beat() throws

  /// Checks that the queue is the one that was opened.
  /// - Throws: `JobStoreError.replaced`, `.schemaTooNew`, `.moved`, …
  func verify() throws

  /// Signs the fetcher off: what it was at is wanted again.
  func signOff() throws

  /// Closes the connection. Later calls throw `JobStoreError.closed`.
  func close() throws
}

/// A source that a fetcher has just taken.
package struct ClaimedSource: Sendable, Equatable {
  package let id: Int64
  /// The count of claims; another one than in the row means that another fetcher has it.
  package let claim: Int64
  /// What to fetch: as it was asked for, or with its commit if that is known.
  package let text: String
  package let use: ModelUse
  /// Tries that ended with a fault which may pass.
  package let tries: Int

  /// One that was just taken, as its row has it.
  package init(id: Int64, claim: Int64, text: String, use: ModelUse, tries: Int) {
    (self.id, self.claim, self.text, self.use, self.tries) = (id, claim, text, use, tries)
  }
}

extension FetcherSession: JobFetcher {
  /// The queue on the same connection.
  package var queue: any JobQueue { client }

  /// A look at a file costs nobody else anything.
  package var lookPause: Double { 0.1 }

  /// Nobody tells of what is new in a file.
  package func newsDescriptor() -> Int32? { nil }

  /// Nobody tells of what is new in a file.
  package func hears() -> Bool { false }

  /// Its jobs name the path from now on: the daemons are on this machine.
  package func finish(_ source: ClaimedSource, localPath path: String) throws {
    try finish(source, name: path, revision: nil, path: path, bytes: 0)
  }
}

/// What a worker sees to beside jobs. A server's claims and looks tell them by these numbers (its function `chores`).
package struct Chores: OptionSet, Sendable {
  package let rawValue: Int

  package init(rawValue: Int) { self.rawValue = rawValue }

  /// Lapsed leases and jobs whose time has come: nobody has looked after them for a second.
  package static let upkeep = Chores(rawValue: 1)
  /// Pictures of jobs that failed or were cancelled: `JobWorker.settleLeftovers`.
  package static let leftovers = Chores(rawValue: 2)
  /// Wanted sources, which may be in a model folder: `JobWorker.takeLocalSources`.
  package static let wantedSources = Chores(rawValue: 4)
}

import Foundation
import JobStore

/// Models, and files that jobs add to them, that this worker could not load, and when to try again: once their files have changed and then stayed the same
/// for a moment, as those of a model that is being copied do at last, and every ten seconds whatever they do.
package struct LackedModels {
  private struct Entry {
    /// The stamp of its files; nil if there are none.
    var stamp: FolderStamp?
    var isModel = true
    var hasChanged = false
    /// When it was found changed, or could not be loaded, in seconds on the monotonic clock.
    var since: Double
  }

  /// Seconds that files must stay the same.
  private static let settling = 2.0
  /// Seconds until it is tried again in any case.
  private static let pause = 10.0

  private var entries: [String: Entry] = [:]

  /// The models to leave to others now.
  package var names: Set<String> { all.models }

  /// What to leave to others now.
  package var all: WorkerSession.Lacked {
    WorkerSession.Lacked(
      models: Set(entries.filter(\.value.isModel).keys), files: Set(entries.filter { !$0.value.isModel }.keys)
    )
  }

  /// None yet.
  package init() {}

  /// It could not be loaded.
  /// - Parameters:
  ///   - model: as its jobs name it.
  ///   - isModel: false for a file that a job adds to its model.
  ///   - locator: where it would be.
  ///   - now: seconds, as `CheckpointPace.now`.
  package mutating func note(
    _ model: String, isModel: Bool = true, _ locator: ModelLocator, now: Double = CheckpointPace.now
  ) {
    entries[model] = Entry(stamp: Self.stamp(model, locator), isModel: isModel, since: now)
  }

  mutating func note(_ missing: Missing, _ locator: ModelLocator) {
    note(missing.name, isModel: missing.isModel, locator)
  }

  /// Looks at their files. Those worth another try are lacked no more.
  /// - Parameters:
  ///   - locator: where they would be.
  ///   - now: seconds, as `CheckpointPace.now`.
  /// - Returns: those whose files have changed since the last look.
  package mutating func look(_ locator: ModelLocator, now: Double = CheckpointPace.now) -> [String] {
    var changed: [String] = []
    for (model, entry) in entries {
      let stamp = Self.stamp(model, locator)
      if stamp != entry.stamp {
        entries[model] = Entry(stamp: stamp, isModel: entry.isModel, hasChanged: true, since: now)
        changed.append(model)
      } else if stamp != nil && now - entry.since >= (entry.hasChanged ? Self.settling : Self.pause) {
        entries[model] = nil
      }
    }
    return changed
  }

  /// They are lacked no more.
  mutating func forget(_ models: some Sequence<String>) {
    for model in models { entries[model] = nil }
  }

  private static func stamp(_ model: String, _ locator: ModelLocator) -> FolderStamp? {
    try? FolderStamp([locator.path(of: model)], within: locator.confinement)
  }
}

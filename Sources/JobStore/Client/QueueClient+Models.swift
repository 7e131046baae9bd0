import GRDB
import Requests

/// The models that the queue's daemons have.
package struct KnownModels: Sendable {
  /// Each once, by name. Those that cannot be used are among them.
  package let models: [ModelRecord]
  /// Whether every daemon has said which models it has. Then a name that is not here is a wrong one.
  package let isComplete: Bool
  /// By all their names: of a model that lies below two folders, or to which a link leads, each counts.
  private let named: [String: ModelRecord]
  private let byPath: [String: ModelRecord]

  /// Nothing is known.
  package init() { self.init([], isComplete: false) }

  /// - Parameters:
  ///   - records: one for each name.
  ///   - isComplete: whether there are no others.
  private init(_ records: [ModelRecord], isComplete: Bool) {
    models = Self.eachOnce(records)
    self.isComplete = isComplete
    named = Dictionary(records.map { ($0.name, $0) }) { first, _ in first }
    byPath = Dictionary(models.compactMap { model in model.path.map { ($0, model) } }) { first, _ in first }
  }

  /// The names that jobs may give them.
  package var names: Set<String> { Set(named.keys) }

  /// The model that a job means by a name, or by its path.
  package subscript(_ model: String) -> ModelRecord? { named[model] ?? byPath[model] }

  /// Those against which nothing is known.
  package var usable: [ModelRecord] { models.filter { $0.fault == nil && $0.loadError == nil } }
}

/// Who has a model in a folder.
package struct ModelHolders: Sendable {
  /// The daemons' names, in order.
  package var workers: [String] = []
  /// What is wrong with it where it cannot be used.
  package var faults: [String] = []

  /// Nobody.
  package init() {}
}

extension KnownModels {
  /// - Parameters:
  ///   - records: of all models that were ever found or loaded, one for each name.
  ///   - workers: those that count.
  ///   - found: who of them has which model in a folder, by the model's name.
  package init(_ records: [ModelRecord], workers: [WorkerRecord], found: [String: ModelHolders]) {
    let isComplete = !workers.isEmpty && workers.allSatisfy { $0.modelsSeenAt != nil }
    let counted = records.compactMap { record -> ModelRecord? in
      guard let holders = found[record.name] else {
        // What jobs name by its path is listed once, if it is in a folder, too.
        let isElsewhere = record.name.hasPrefix("/") || ModelSource.remote(record.name) != nil
        return isElsewhere || !isComplete || record.heldUntil != nil ? record : nil
      }
      var record = record
      record.workers = holders.workers
      if holders.faults.count == holders.workers.count { record.fault = holders.faults.first }
      return record
    }
    self.init(counted, isComplete: isComplete)
  }

  /// The daemons whose models count: those that are alive, or all that there ever were if none is.
  package static func counting(_ workers: [WorkerRecord], now: Milliseconds) -> [WorkerRecord] {
    let alive = workers.filter { $0.isAlive(now: now) }
    return alive.isEmpty ? workers : alive
  }
}

extension QueueClient {
  /// The models in the folders of the daemons, loaded or not, and those that were loaded from elsewhere. Daemons that are
  /// alive count, or all that there ever were if none is.
  package func knownModels() throws -> KnownModels {
    try database.read { db in
      let all = try WorkerRecord.fetchAll(db, sql: "SELECT * FROM workers ORDER BY name")
      let workers = KnownModels.counting(all, now: database.clock().milliseconds)
      return KnownModels(
        try ModelRecord.fetchAll(db, sql: "SELECT * FROM models"), workers: workers,
        found: try Self.found(by: Set(workers.map(\.name)), db))
    }
  }

  /// The models that can be used or not, as `knownModels` has them.
  package func models() throws -> [ModelRecord] { try knownModels().models }

  /// Who has which model in a folder, and what is wrong with it there.
  private static func found(
    by workers: Set<String>, _ db: Database
  ) throws -> [String: ModelHolders] {
    let rows = try Row.fetchCursor(
      db,
      sql: """
        SELECT worker, substr(model, 1, 4096) AS model, substr(fault, 1, 2000) AS fault FROM found_models
        ORDER BY model, worker
        """)
    var found: [String: ModelHolders] = [:]
    while let row = try rows.next() {
      let reader = RowReader(row: row, table: "found_models")
      let worker: String = try reader.value("worker")
      guard workers.contains(worker) else { continue }
      let fault: String? = try reader.optional("fault")
      let name: String = try reader.value("model")
      found[name, default: ModelHolders()].workers.append(worker)
      if let fault { found[name, default: ModelHolders()].faults.append(fault) }
    }
    return found
  }
}

extension KnownModels {
  /// One record for each path: the shortest name, a daemon's before a path. It knows what the others know.
  private static func eachOnce(_ records: [ModelRecord]) -> [ModelRecord] {
    var once: [ModelRecord] = []
    var places: [String: Int] = [:]
    let ordered = records.sorted {
      ($0.workers.isEmpty ? 1 : 0, $0.name.utf8.count, $0.name)
        < ($1.workers.isEmpty ? 1 : 0, $1.name.utf8.count, $1.name)
    }
    for record in ordered {
      guard let path = record.path, let place = places[path] else {
        if let path = record.path { places[path] = once.count }
        once.append(record)
        continue
      }
      if let loadedAt = record.loadedAt, loadedAt > once[place].loadedAt ?? 0 {
        once[place].loadedAt = loadedAt
        once[place].digest = record.digest ?? once[place].digest
      }
    }
    return once.sorted { $0.name < $1.name }
  }
}

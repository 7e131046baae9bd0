import Foundation

/// Everything that can go wrong in the queue. Each message names the thing and says what to do.
package enum JobStoreError: Error, Equatable {
  /// A setting of a request is out of range. `rule` says what is allowed.
  case invalidSetting(name: String, value: String, rule: String)

  /// A batch without a single prompt.
  case emptyBatch

  /// The idempotency key belongs to a batch with other requests.
  case keyReused(key: String, batch: Int64)

  /// There is no job, batch or model (`thing`) with that name or number.
  case notFound(thing: String, id: String)

  /// Several batches (`thing`) have that name, or names that begin with it; the newest `numbers`.
  case ambiguous(thing: String, name: String, numbers: [Int64])

  /// `action` is not possible in the job's state.
  case wrongState(job: Int64, state: JobState, action: String)

  /// The settings of a job can't be changed any more, for a `reason`.
  case notEditable(job: Int64, reason: String)

  /// The jobs of a batch cannot go into shards, or cannot come back; `reason` says why and what to do.
  case shards(batch: Int64, reason: String)

  /// The lease expired and the job was taken away. What the worker did since does not count.
  case leaseLost(job: Int64, worker: String)

  /// A worker finished a job with too few or too many images.
  case wrongImages(job: Int64, expected: Int, found: Int)

  /// Another live daemon has this name.
  case workerNameTaken(name: String, host: String, pid: Int)

  /// A row holds something that segmoe never writes.
  case damagedRow(table: String, column: String, value: String)

  /// The database was written by a newer segmoe.
  case schemaTooNew(path: String, found: Int, known: Int)

  /// The database has an older schema. A daemon has to migrate it.
  case schemaTooOld(path: String, found: Int, known: Int)

  /// An SQLite database of another program.
  case foreignDatabase(path: String)

  /// Not an SQLite database, or a damaged one.
  case notADatabase(path: String)

  /// There is no queue at that path, and nobody who may only look makes one.
  case noQueue(path: String)

  /// This user may not do what he means to with a file of the queue. `mend` is what somebody has to do first.
  case notPermitted(path: String, reason: String, mend: String)

  /// The file or its folder cannot be opened or written.
  case notAccessible(path: String, reason: String)

  /// The database was moved, deleted or replaced while it was open.
  case replaced(path: String)

  /// The connection was closed before the call.
  case closed(path: String)

  /// No space left for the database.
  case diskFull(path: String)

  /// Another process kept the write lock for longer than the busy timeout.
  case busy(path: String)

  /// A migration failed and was rolled back; the database is as it was.
  case migrationFailed(path: String, migration: String, reason: String)

  /// Rows contradict each other or the schema, so that a change is refused; `reason` says which.
  case wrongRow(reason: String)

  /// A table is not what segmoe makes: dropped, made anew in another way, or with other columns.
  case wrongSchema(path: String, table: String, reason: String)

  /// No space left in the folder that SQLite writes temporary files to.
  case temporaryFull(folder: String, reason: String)

  /// The disk below the database failed, or memory ran out: it may pass.
  case inputOutput(path: String, reason: String)

  /// Any other error of SQLite, with its extended result code.
  case database(path: String, code: Int, reason: String)

  /// The queue is elsewhere: `segmoectl move` has moved it there.
  case moved(path: String, to: String)

  /// A queue that cannot be moved now; `reason` says why and what to do.
  case notMovable(path: String, reason: String)

  /// A queue that cannot take another; `reason` says what it has.
  case occupied(path: String, reason: String)

  /// A command or program, `what`, that works on no queue of a server yet.
  case notOnServer(what: String)

  /// An address of a server that libpq does not understand. It may have a password, so it is not shown.
  case wrongAddress(reason: String)

  /// The `server` of the queue cannot be reached, or was lost: it may pass.
  case unreachable(server: String, reason: String)

  /// The `server` of the queue refuses a change, with its SQLSTATE.
  case refused(server: String, state: String, reason: String)
}

extension JobStoreError {
  /// Whether it may come from a row or a schema that a daemon can put right.
  var mayBeMended: Bool {
    switch self {
    case .wrongRow, .database: true
    default: false
    }
  }

  /// Whether the same may work later: a full disk, a lock, a server that is away.
  package var passesByItself: Bool {
    switch self {
    case .diskFull, .busy, .inputOutput, .notAccessible, .temporaryFull, .unreachable: true
    default: false
    }
  }
}

extension JobStoreError: CustomStringConvertible, LocalizedError {
  package var errorDescription: String? { description }

  package var description: String {
    switch self {
    case .invalidSetting(let name, let value, let rule):
      "\(name) is \(value): \(rule)"
    case .emptyBatch:
      "there is no prompt: give one as an argument, with --file, or on standard input"
    case .keyReused(let key, let batch):
      "key '\(key)' belongs to batch \(batch), which has other requests: use a new key for a new batch"
    case .notFound(let thing, let id):
      "there is no \(thing) \(id): `segmoectl list` shows what there is"
    case .ambiguous(let thing, let name, let numbers):
      "\(thing) \(name) may be any of \(numbers.map(String.init).joined(separator: ", ")): give the number"
    case .wrongState(let job, let state, let action):
      "job \(job) is \(state.rawValue): it can't be \(action)"
    case .notEditable(let job, let reason):
      "job \(job) \(reason): its settings stay; `segmoectl enqueue --like \(job)` queues another with changes"
    case .leaseLost(let job, let worker):
      "worker \(worker) no longer holds the lease of job \(job): drop its result"
    case .shards(let batch, let reason):
      "batch \(batch): \(reason)"
    case .wrongImages(let job, let expected, let found):
      "job \(job) asks for \(expected) images, the worker brought \(found)"
    case .workerNameTaken(let name, let host, let pid):
      "a daemon named \(name) is alive on \(host) (process \(pid)): stop it, or choose another --worker name"
    case .damagedRow(let table, let column, let value):
      "table \(table), column \(column) holds \(value), which segmoe never writes: mend or delete that row"
    case .schemaTooNew(let path, let found, let known):
      "\(path) has schema \(found), this program knows \(known): upgrade this program"
    case .schemaTooOld(let path, let found, let known):
      "\(path) has schema \(found), this program needs \(known): start the new segmoed once, it migrates"
    case .foreignDatabase(let path):
      "\(path) is another program's database: name another file with --database"
    case .notADatabase(let path):
      "\(path) is not an SQLite database or is damaged: name another file, or restore a backup"
    case .noQueue(let path):
      "there is no queue at \(path): `segmoectl enqueue` makes one, and so does segmoed; --database names another"
    case .notPermitted(let path, let reason, let mend):
      "\(path) can't be used: \(reason); \(mend)"
    case .notAccessible(let path, let reason):
      "\(path) can't be used: \(reason); check the path and its permissions"
    case .replaced(let path):
      "\(path) is no longer the file that was opened: start again to use the one that is there now"
    case .closed(let path):
      "the connection to \(path) is closed: open the queue again"
    case .diskFull(let path):
      "no space left for \(path): free some, nothing was changed"
    case .busy(let path):
      "\(path) is locked by another process for too long: try again, or find who holds it (fuser)"
    case .migrationFailed(let path, let migration, let reason):
      "migration \(migration) of \(path) failed and was undone: \(reason)"
    case .wrongRow(let reason):
      "a row of the queue is wrong: \(reason)"
    case .wrongSchema(let path, let table, let reason):
      "table \(table) of \(path) is not as segmoe makes it: \(reason); restore a backup, or move the file away"
    case .temporaryFull(let folder, let reason):
      "\(folder), where SQLite writes temporary files, takes no more (\(reason)): free some space there, or name "
        + "another folder in SQLITE_TMPDIR"
    case .inputOutput(let path, let reason):
      "\(path) cannot be read or written just now: \(reason)"
    case .database(let path, let code, let reason):
      "\(path): SQLite error \(code): \(reason)"
    case .moved(let path, let place):
      "the queue of \(path) was moved to \(place): name that with --database; if it says that it was moved here, "
        + "run `segmoectl move` once more"
    case .notMovable(let path, let reason):
      "\(path) can't be moved: \(reason)"
    case .occupied(let path, let reason):
      "nothing can be moved to \(path): \(reason); name an empty queue, or a place where there is none"
    case .notOnServer(let what):
      "\(what) does not work on a queue of PostgreSQL yet: name a file with --database (docs/postgresql.md)"
    case .wrongAddress(let reason):
      "the queue's address is none that libpq understands: \(reason); "
        + "write postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full"
    case .unreachable(let server, let reason):
      "\(server) cannot be reached: \(reason); check that PostgreSQL runs there and lets you in"
    case .refused(let server, let state, let reason):
      "\(server): PostgreSQL error \(state): \(reason)"
    }
  }
}

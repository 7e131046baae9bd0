import Boundary
import Requests

/// Why something cannot be put into a shared place, or had from it. No message has a key.
package enum SharedError: Error, Sendable, Equatable {
  /// It names no place. It may hold a secret, so that it is not shown.
  case address(rule: String)
  /// There are no credentials for a bucket, or they cannot be used.
  case credentials(reason: String)
  /// The place refuses this user.
  case forbidden(place: String, reason: String)
  /// The place does not hold it.
  case missing(name: String, place: String)
  /// Nothing in the place has that name.
  case unnamed(alias: SharedAlias, place: String)
  /// Something else in the place has that name.
  case taken(alias: SharedAlias, place: String, by: SharedName, wanted: SharedName)
  /// What the place holds under its digest are other bytes.
  case damaged(name: String, place: String, reason: String)
  /// It is larger than may be had here.
  case tooLarge(name: String, bytes: Int, most: Int)
  /// No answer, or one that says to come again: it may pass.
  case unreachable(place: String, reason: String)
  /// The place answers what does not pass.
  case refused(place: String, reason: String)
  /// The disk of the cache, or of the place, is full.
  case noRoom(folder: String, needed: Int)
  /// A file of this machine.
  case file(path: String, reason: String)
  /// This side gave up.
  case stopped
}

extension SharedError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .address(let rule): "the shared place cannot be used: \(rule)"
    case .credentials(let reason): "no key for the shared place: \(reason)"
    case .forbidden(let place, let reason):
      "\(place) refuses the key: \(reason); it must be allowed to get and put objects"
    case .missing(let name, let place):
      "\(name) is not in \(place): it was removed, or put into another place; enqueue it again"
    case .unnamed(let alias, let place):
      "nothing in \(place) is called \(alias): `segmoectl share` gives names"
    case .taken(let alias, let place, let found, let wanted):
      "\(alias) is the name of \(found) in \(place), and stays it; the other one is there as \(wanted): give it another name"
    case .damaged(let name, let place, let reason):
      "\(place) holds something else under \(name): \(reason); remove that object, and enqueue it again"
    case .tooLarge(let name, let bytes, let most):
      "\(name) has \(bytes) bytes; at most \(most) are taken here"
    case .unreachable(let place, let reason): "\(place) cannot be reached: \(reason)"
    case .refused(let place, let reason): "\(place): \(reason)"
    case .noRoom(let folder, 0): "\(folder): no room; make room there"
    case .noRoom(let folder, let needed): "\(folder): no room for \(needed) bytes; make room there"
    case .file(let path, let reason): "\(path) \(reason)"
    case .stopped: "stopped"
    }
  }
}

extension SharedError: ExitCoded {
  package var exit: ProgramExit {
    switch self {
    case .address: .usage
    case .credentials, .forbidden: .notPermitted
    case .missing, .unnamed, .file: .missing
    case .damaged, .taken, .tooLarge: .badInput
    case .unreachable, .refused, .noRoom, .stopped: .unavailable
    }
  }
}

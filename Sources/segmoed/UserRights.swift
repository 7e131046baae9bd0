import Foundation

/// What the rights of files let a user do, as the kernel would decide it by owner, group and mode.
struct UserRights {
  /// The rights of a mode's three bits.
  struct Rights: OptionSet {
    let rawValue: mode_t
    static let read = Rights(rawValue: 4)
    static let write = Rights(rawValue: 2)
    static let enter = Rights(rawValue: 1)
  }

  /// nil: there is no such user here, so nobody knows.
  private let number: uid_t?
  private let groups: [gid_t]

  /// A user of this machine.
  init(_ name: String) {
    guard let entry = getpwnam(name) else {
      (number, groups) = (nil, [])
      return
    }
    number = entry.pointee.pw_uid
    var count: Int32 = 256
    var found = [gid_t](repeating: 0, count: Int(count))
    let listed = getgrouplist(name, entry.pointee.pw_gid, &found, &count)
    groups = listed >= 0 ? Array(found.prefix(Int(count))) : [entry.pointee.pw_gid]
  }

  /// The name of the user whose process this is.
  static var current: String {
    guard let entry = getpwuid(geteuid()), let name = entry.pointee.pw_name else { return "\(geteuid())" }
    return String(cString: name)
  }

  /// Whether the user may, as far as the path's own rights go; true for what is not there.
  func may(_ rights: Rights, _ path: String) -> Bool {
    var status = stat()
    guard let number, number != 0, stat(path, &status) == 0 else { return true }
    let shift: mode_t = status.st_uid == number ? 6 : groups.contains(status.st_gid) ? 3 : 0
    return Rights(rawValue: (status.st_mode >> shift) & 7).isSuperset(of: rights)
  }
}

import Foundation

/// Whose a file or folder is, and what its rights are.
struct FileOwner {
  let path: String
  let owner: uid_t
  let group: gid_t
  /// The bits of `chmod`.
  let mode: mode_t
  private let isFolder: Bool

  /// nil if it is not there, or in a folder that may not be looked into.
  init?(of path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.path = path
    owner = status.st_uid
    group = status.st_gid
    mode = status.st_mode & 0o7777
    isFolder = status.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether the group may write into the folder, and files made there get that group.
  var isShared: Bool { isFolder && mode & 0o2020 == 0o2020 }

  /// Whether the rights let this process read and write it, or make files in it.
  var mayBeWritten: Bool {
    // A file system that is read-only is no matter of rights.
    access(path, isFolder ? W_OK | X_OK : R_OK | W_OK) == 0 || errno != EACCES
  }

  /// "alice's (group users, 644)"
  var told: String {
    "\(Self.user(owner))'s (group \(groupName), \(String(mode & 0o777, radix: 8)))"
  }

  /// "is alice's (group users, 644), and bob may not write to it"
  var fault: String {
    "is \(told), and \(Self.user(geteuid())) may not write \(isFolder ? "into" : "to") it"
  }

  var groupName: String {
    guard let entry = getgrgid(group), let name = entry.pointee.gr_name else { return "\(group)" }
    return String(cString: name)
  }

  /// Whether the list of groups has a user in this one.
  func groupHas(_ user: String) -> Bool {
    guard let members = getgrgid(group)?.pointee.gr_mem else { return false }
    var next = members
    while let member = next.pointee {
      if String(cString: member) == user { return true }
      next += 1
    }
    return false
  }

  static func user(_ number: uid_t) -> String {
    guard let entry = getpwuid(number), let name = entry.pointee.pw_name else { return "user \(number)" }
    return String(cString: name)
  }
}

import Foundation

/// Who may do what with the files of a queue. A wrong answer is named with what mends it, since it stops the service or
/// those who may use it.
package struct QueueRights: Sendable {
  /// A file or folder whose rights are not what they should be.
  package struct Flaw: Sendable, Equatable {
    /// The file or folder.
    package let path: String
    /// What is wrong with it.
    package let fault: String
    /// What a person can do.
    package let mend: String
  }

  private let path: String
  private var folder: String { URL(fileURLWithPath: path).deletingLastPathComponent().path }

  /// - Parameter path: the path of the queue's database.
  package init(of path: String) { self.path = path }

  /// The database and what belongs to it, as far as it is there.
  private var files: [FileOwner] {
    ["", "-wal", "-shm"].compactMap { FileOwner(of: path + $0) }
  }

  /// Why this process may not change the queue: `JobStoreError.notPermitted`. nil: it may, as far as rights go.
  package var refusal: JobStoreError? {
    let files = files
    for file in files where !file.mayBeWritten {
      return .notPermitted(path: file.path, reason: file.fault, mend: mend(file))
    }
    // SQLite makes its log beside the database.
    guard files.count < 3, let owner = FileOwner(of: folder), !owner.mayBeWritten else { return nil }
    return .notPermitted(
      path: path, reason: "its folder \(folder) \(owner.fault)",
      mend: mend(owner))
  }

  /// A folder that could not be made.
  static func refusal(toMake folder: String) -> JobStoreError {
    var place = folder
    while place != "/", FileOwner(of: place) == nil {
      place = URL(fileURLWithPath: place).deletingLastPathComponent().path
    }
    let owner = FileOwner(of: place)
    return .notPermitted(
      path: folder, reason: "\(place) \(owner?.fault ?? "can't be looked at")",
      mend: "name another place with --database")
  }

  /// In a folder that is its group's, what that group or the service cannot write to. A folder is shared if its group
  /// may write and files that are made there get that group, as the service's folder.
  package var flaws: [Flaw] {
    guard let shared = FileOwner(of: folder), shared.isShared else { return [] }
    return files.filter { $0.group != shared.group || $0.mode & 0o060 != 0o060 }.map { file in
      Flaw(
        path: file.path,
        fault: "it is \(file.told): the group \(shared.groupName), whose folder it is in, cannot write to it",
        mend: "`sudo chgrp \(shared.groupName) \(file.path) && sudo chmod 660 \(file.path)`")
    }
  }

  /// The group whose folder it is in; nil if it is in no shared folder.
  package var group: String? {
    FileOwner(of: folder).flatMap { $0.isShared ? $0.groupName : nil }
  }

  private func mend(_ file: FileOwner) -> String {
    if file.mode & 0o020 != 0, file.group != 0 {
      let user = FileOwner.user(geteuid())
      // Groups count from the next login on.
      return file.groupHas(user)
        ? "\(user) is in the group \(file.groupName), but only from the next login on"
        : "`sudo usermod -aG \(file.groupName) \(user)`, then log in again"
    }
    if let shared = FileOwner(of: folder), shared.isShared, file.path != folder {
      return "`sudo chgrp \(shared.groupName) \(file.path) && sudo chmod 660 \(file.path)`"
    }
    return "let \(FileOwner.user(file.owner)) give the right, or name another queue with --database"
  }
}

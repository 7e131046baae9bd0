import Glibc

/// Why a file was not opened.
package enum OpenFailure: Error, Equatable {
  /// It is, or a link on the way leads, outside the folders that files may be opened in. Nothing outside was looked
  /// at, so this says nothing of what is there.
  case outside
  /// It is not the file that was there when the files were looked through.
  case exchanged
  /// The system refused, with this `errno`.
  case refused(Int32)

  /// Whether it says nothing of the file: this process or the machine has no descriptors or memory left.
  package var isShortage: Bool {
    if case .refused(let code) = self { return [EMFILE, ENFILE, ENOMEM].contains(code) }
    return false
  }
}

import Requests

/// A file of a hub that gets another name in the lists of files that requests have.
package struct FileRenaming {
  private let old: String
  private let new: String

  /// - Parameters:
  ///   - old: the name that requests have.
  ///   - new: the exact name.
  package init(of old: String, to new: String) {
    (self.old, self.new) = (old, new)
  }

  /// The columns of lists in which the name is, with what they hold and what they hold with the other name, as programs write it.
  /// What is no list is left as it is: whoever claims the job finds it wrong.
  /// - Throws: `JobStoreError.damagedRow`
  package func lists(
    in reader: RowReader
  ) throws -> [(column: String, old: StoredValue, new: StoredValue)] {
    var found: [(column: String, old: StoredValue, new: StoredValue)] = []
    var request = RenderRequest()
    for column in ["loras", "embeddings"] {
      guard let setting = Setting.named(column) else { continue }
      let stored = try reader.stored(column)
      guard setting.restore(stored, &request) else { continue }
      request.changeFiles { _, text in text == old ? new : text }
      let renamed = setting.stored(request)
      if renamed != stored { found.append((column, stored, renamed)) }
    }
    return found
  }
}

/// What Git leaves in a large file's place where Git LFS is not installed or was told to skip it: three lines of text.
enum LFSPointer {
  private static let start = Array("version https://git-lfs.github.com/spec/".utf8)
  /// The format's own bound on a pointer.
  private static let largest = 1024

  /// - Throws: `lfsPointer` if the file is one; what reading throws.
  static func refuse(_ reader: FileReader) throws {
    guard reader.size >= start.count, reader.size <= largest else { return }
    if try reader.contents(limit: largest).starts(with: start) {
      throw CheckpointError.lfsPointer(path: reader.path)
    }
  }
}

import Boundary

extension ModelFolder {
  /// A SHA-256 of everything in the folder that can change a picture, as 64 hexadecimal digits. It covers the JSON and
  /// text files of index and components, and the weight files in use. Of each file it takes the name, the length and
  /// the SHA-256 of each piece. The safety checker, and pictures and notes beside the model, are left out.
  ///
  /// Every byte is read. A 4 GB model takes one or two seconds from the page cache, and longer from a disk. So keep the
  /// result, and give a memory to whoever starts often.
  /// - Throws: what reading throws.
  package func digest(_ memory: DigestMemory?) throws -> String {
    var hash = Digest()
    for file in try digestedFiles() {
      let reader = try FileReader(path: path + "/" + file, purpose: "a file of the model")
      hash.add(Array("\(file)\0\(reader.size)\0".utf8))
      try hash.add(piecesOf: reader, memory)
    }
    return hash.hexadecimal()
  }

  /// The files that the digest covers, relative to the folder, sorted.
  func digestedFiles() throws -> [String] {
    var files = ["model_index.json"]
    for name in componentClasses.keys where !Self.ignored.contains(name) {
      guard let folder = try? component(name) else { continue }
      files += try folder.textFiles().map { name + "/" + $0 }
      guard !Self.weightless.contains(where: name.hasPrefix) else { continue }
      files += try folder.weightFileNames().map { name + "/" + $0 }
    }
    return files.sorted()
  }

  private static let ignored: Set = ["safety_checker", "feature_extractor", "image_encoder"]
  private static let weightless = ["tokenizer", "scheduler"]
}

extension ComponentFolder {
  /// Configuration and vocabulary files, except indexes of weights that are not in use.
  func textFiles() throws -> [String] {
    try fileNames().filter { name in
      (name.hasSuffix(".json") || name.hasSuffix(".txt")) && !name.contains(".index.")
    }
  }
}

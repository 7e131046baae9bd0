extension ModelSource {
  /// What a path may be called where nobody should read the folders of this machine: the card of a snapshot in Hugging
  /// Face's cache, the link of a file in our own, else its last component. A card or a link stays as it is.
  package static func name(ofPath path: String) -> String {
    if let match = path.firstMatch(of: #/models--([\w.-]+?)--([\w.-]+)\/snapshots\/([0-9a-f]{40})(\/.+)?$/#),
      let id = RepositoryID(owner: match.output.1, name: match.output.2)
    {
      let commit = String(match.output.3)
      guard let file = match.output.4 else { return "\(ModelSource.card(id, revision: commit))" }
      return "\(ModelSource.file(id, revision: commit, path: String(file.dropFirst())))"
    }
    if let match = path.firstMatch(of: #/\/civitai\/(\d+)\/(\d+)\/[0-9a-f]{64}\.safetensors$/#) {
      // A version may have several files; those that the site does not list have no number.
      let file = match.output.2 == "0" ? "" : "?fileId=\(match.output.2)"
      return "https://civitai.com/api/download/models/\(match.output.1)\(file)"
    }
    if let source = remote(path) { return "\(source)" }
    return path.split(separator: "/").last.map(String.init) ?? path
  }
}

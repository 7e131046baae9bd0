/// Why a text names no model that can be fetched.
package enum SourceError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A link to another site.
  case otherHost(link: String)
  /// A link to a page of a hub that is not a model's.
  case hubLink(link: String, reason: String)
  /// `owner/name` that no hub allows.
  case repositoryName(text: String)
  /// A link to CivitAI that names no model.
  case civitai(link: String, reason: String)

  package var description: String {
    switch self {
    case .otherHost(let link):
      "\(link): only models of huggingface.co and civitai.com can be pulled; download the file and give its path"
    case .hubLink(let link, let reason): "\(link): \(reason)"
    case .repositoryName(let text):
      "\(text): no repository can have that name; write owner/name, or ./ before a path"
    case .civitai(let link, let reason):
      "\(link): \(reason); copy the link of the download button, https://civitai.com/api/download/models/VERSION"
    }
  }
}

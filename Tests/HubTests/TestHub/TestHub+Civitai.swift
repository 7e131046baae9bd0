import Foundation

/// A version of a model on CivitAI.
struct CivitaiVersion: Sendable {
  var model = 1
  var files: [[UInt8]] = []
}

/// CivitAI's answers.
extension TestHub {
  func civitaiAnswer(_ request: SeenRequest) -> CannedAnswer { CannedAnswer(status: 404) }

  func civitaiStorageAnswer(_ request: SeenRequest) -> CannedAnswer { CannedAnswer(status: 404) }
}

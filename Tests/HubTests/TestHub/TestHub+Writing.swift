import Foundation

/// The hub's answers to writers.
extension TestHub {
  func whoAmI(_ request: SeenRequest) -> CannedAnswer { CannedAnswer(status: 404) }

  func writingAnswer(_ request: SeenRequest, _ segments: [String]) -> CannedAnswer {
    CannedAnswer(status: 404)
  }

  func upload(_ request: SeenRequest) -> CannedAnswer { CannedAnswer(status: 404) }
}

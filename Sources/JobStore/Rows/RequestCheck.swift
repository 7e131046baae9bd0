import Requests

/// Checks the requests of a batch, one after the other. In most batches only the prompt and the seed change from one to the
/// next, and a million times all settings are checked in vain.
package struct RequestCheck {
  /// The last that was right, without prompt and seed.
  private var last: JobRequest?

  package init() {}

  /// - Returns: whether it has the settings of the one before, but for prompt and seed.
  /// - Throws: `RequestError.invalid` for the first field that is wrong.
  @discardableResult
  package mutating func check(_ request: JobRequest) throws -> Bool {
    var settings = request
    (settings.render.prompt, settings.render.seed) = ("", 0)
    if settings == last {
      try request.render.validatePrompt()
      return true
    }
    try request.validate()
    last = settings
    return false
  }
}

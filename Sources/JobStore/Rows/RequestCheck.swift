import Requests

/// Checks the requests of a batch, one after the other. In most batches only the prompt and the seed change from one to the
/// next, and a million times all settings are checked in vain.
package struct RequestCheck {
  /// The last that was right, without prompt and seed.
  private var last: JobRequest?

  package init() {}

  /// - Throws: `RequestError.invalid` for the first field that is wrong.
  package mutating func check(_ request: JobRequest) throws {
    let settings = request.withoutPrompt
    if settings == last { return try request.render.validatePrompt() }
    try request.validate()
    last = settings
  }
}

extension JobRequest {
  /// The same without prompt and seed, which may be anything.
  package var withoutPrompt: JobRequest {
    var settings = self
    (settings.render.prompt, settings.render.seed) = ("", 0)
    return settings
  }
}

import Requests

/// How large a template, what it gives, and its wildcards may be. All is checked before memory is taken for it.
package struct TemplateLimits: Sendable, Equatable {
  /// Combinations of one template.
  package var expansions = 10_000
  /// Braces, variables and wildcards within each other.
  package var depth = 64
  /// UTF-8 bytes of a template and of the longest text that it gives: what a prompt may have.
  package var textBytes = RenderLimits().promptBytes
  /// Pieces that one text is put together from.
  package var parts = 100_000
  /// Files and folders below the folder of wildcards.
  package var files = 10_000
  /// Folders within folders.
  package var folderDepth = 16
  /// Bytes of one file of wildcards.
  package var fileBytes = 8 << 20
  /// Bytes of all files that are used.
  package var allBytes = 64 << 20
  /// Pieces of a template with all lines of the wildcards that it names.
  package var planParts = 1_000_000

  /// The default limits.
  package init() {}
}

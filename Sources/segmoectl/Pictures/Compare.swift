import ArgumentParser
import CommandLine
import Foundation
import Images
import JobStore
import Requests

/// `segmoectl compare`
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Render every prompt with every model, and put the pictures into one table.",
    discussion: """
      A row for each prompt, a column for each model, the same seed for all, as in the announcement of SegMoE. It goes \
      through the queue and waits as `enqueue --wait` does. If it is interrupted, the batch stays queued, and it says which \
      `segmoectl sheet` makes the table later. Other settings may be lists, as in `enqueue`; such pictures lie below each \
      other. The exit code is 0 only if every picture is there.
      """)

  @OptionGroup var location: Location

  @Option(help: ArgumentHelp("The models to compare.", valueName: "name,name,…"))
  var models: String

  @Option(
    help: ArgumentHelp(
      "The file of prompts, as `enqueue --file` reads it; - is standard input.", valueName: "file"))
  var prompts: String

  @OptionGroup var promptFormat: PromptFormatOption

  @OptionGroup var output: SheetOutput
  @OptionGroup(title: "Settings") var settings: SettingsOptions
  @OptionGroup var sharedOption: SharedOption
  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func run() throws {
    let enqueuing = try Enqueuing(location: location, isJSON: format.json, waits: true)
    let options = try SheetBatch.options(
      try settings.grid(models: models, seeds: nil), for: enqueuing)
    let file = try output.file()
    var source = try PromptSource(
      prompts: [], file: prompts, format: promptFormat.kind, options: options, key: nil, templates: nil,
      models: enqueuing.known, share: sharedOption.share(for: location.place, isLook: look.dryRun))
    if look.dryRun { return try enqueuing.preview(&source) }
    try SheetBatch(
      enqueuing: enqueuing, output: output, format: format, sharedOption: sharedOption,
      rows: Setting.named("prompt"),
      columns: Setting.named("model")
    ).run(&source, to: file)
  }
}

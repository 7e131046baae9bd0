import ArgumentParser
import CommandLine
import Foundation
import Images
import JobStore
import Requests

/// `segmoectl xy`
struct XY: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "xy",
    abstract: "Render a prompt with all values of two settings, and put the pictures into one table.",
    discussion: """
      A column for each value of --x, a row for each of --y, the same seed for all unless it is one of them. Values are \
      lists or ranges as in `enqueue`: --x steps=10,25 --y guidance=4..9:1 --y may be left out. Settings whose values have \
      commas, such as prompt, lora and vae, are given several times: --x lora=a.safetensors:0.5 --x lora=a.safetensors:1.

      It goes through the queue and waits as `enqueue --wait` does. If it is interrupted, the batch stays queued, and it \
      says which `segmoectl sheet` makes the table later. The exit code is 0 only if every picture is there.
      """)

  @OptionGroup var location: Location

  @Argument(help: "The prompt; none if an axis is prompt.")
  var prompt: String?

  @Option(
    help: ArgumentHelp("The columns. May be repeated with the same setting.", valueName: "setting=value,…"))
  var x: [String] = []

  @Option(
    help: ArgumentHelp("The rows. May be repeated with the same setting.", valueName: "setting=value,…"))
  var y: [String] = []

  @Option(
    help: ArgumentHelp(
      "A model the daemon knows, a folder, a .safetensors file, or one of a hub (owner/name[@revision] or a link) or of the shared place (shared:NAME).",
      valueName: "name|dir|source"))
  var model: String?

  @OptionGroup var output: SheetOutput
  @OptionGroup(title: "Settings") var settings: SettingsOptions
  @OptionGroup var sharedOption: SharedOption
  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func run() throws {
    let columns = try SettingAxis(x, option: "x")
    let rows = y.isEmpty ? nil : try SettingAxis(y, option: "y")
    guard rows?.setting.name != columns.setting.name else {
      throw Problem.usage("--x and --y are the same setting: give two, or leave --y out")
    }
    let axes = [rows, columns].compactMap { $0 }
    let enqueuing = try Enqueuing(location: location, isJSON: format.json, waits: true)
    let options = try SheetBatch.options(try drafts(axes), for: enqueuing)
    let prompts = try axes.first { $0.setting.name == "prompt" }?.values
    guard (prompts == nil) != (prompt == nil) else {
      throw Problem.usage(
        prompt == nil
          ? "no prompt: give one as an argument"
          : "an axis is prompt: leave '\(prompt ?? "")' out, or add it there")
    }
    let file = try output.file()
    var source = try PromptSource(
      prompts: prompts ?? [prompt ?? ""], file: nil, format: .auto, options: options, key: nil,
      templates: nil, models: enqueuing.known,
      share: sharedOption.share(for: location.place, isLook: look.dryRun))
    if look.dryRun { return try enqueuing.preview(&source) }
    try SheetBatch(
      enqueuing: enqueuing, output: output, format: format, sharedOption: sharedOption, rows: rows?.setting,
      columns: columns.setting
    ).run(&source, to: file)
  }

  /// Models change last: a daemon renders jobs of one model together.
  private func drafts(_ axes: [SettingAxis]) throws -> [RequestDraft] {
    var drafts = try settings.grid(models: nil, seeds: nil)
    if let model {
      for index in drafts.indices { try drafts[index].read("model", model) }
    }
    let order = axes.filter { $0.setting.name == "model" } + axes.filter { $0.setting.name != "model" }
    for axis in order where axis.setting.name != "prompt" { drafts = try axis.applied(to: drafts) }
    return drafts
  }
}

import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore
import Requests
import SharedFiles

/// `segmoectl share`
struct Share: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put a model or another file into the shared place, and print the name by which jobs have it.",
    discussion: """
      A folder goes there whole, and what belongs to a file goes along. It is named by its digest (tree:…/demo); with \
      --name also by a name, as in `enqueue --model shared:demo`. What such a name stands for is looked up when a job is \
      queued, and never changes. Every daemon that knows the place fetches it once. docs/shared-place.md.
      """)

  @Argument(help: "A model's folder, a .safetensors or .gguf file, a LoRA, a VAE, or any other file.")
  var path: String

  @Option(help: "A name for it, by which jobs of all machines can have it: shared:NAME.")
  var name: String?

  @OptionGroup var sharedOption: SharedOption
  @OptionGroup var format: Format

  func run() throws {
    let alias = try name.map { name in
      guard let alias = SharedAlias(name: name) else {
        throw Problem.usage("--name '\(name)' is no name: \(SharedAlias.rule)")
      }
      return alias
    }
    let queue = QueuePlace.find(option: nil, environment: ProcessInfo.processInfo.environment)
    guard let place = try sharedOption.place(otherwise: queue.serviceShared) else {
      throw Problem.usage("no shared place: name it with --shared, or with SEGMOE_SHARED")
    }
    let target = try SharedOption.put(absolutePath(path), companions: true, into: place)
    if let alias { try place.give(alias, to: target) }
    guard format.json else { return print(PlainText.line(alias?.description ?? target.description)) }
    print(
      JSONText.object([
        ("name", .string(target.description)), ("alias", .optional(alias?.description)),
        ("place", .string(place.description)),
      ]).text)
  }
}

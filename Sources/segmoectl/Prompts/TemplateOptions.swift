import ArgumentParser
import Boundary
import CommandLine
import Foundation
import Requests
import Templates

/// How prompts are read as templates.
struct TemplateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Read prompts and negative prompts as templates ({a|b}, {2$$a|b|c}, __file__): every combination, or n at random (1).",
      valueName: "combinatorial|random[:n]"))
  var templates: TemplateChoice?

  @Option(
    help: ArgumentHelp(
      "The folder of the templates' __wildcards__ (default: segmoe/wildcards in $XDG_CONFIG_HOME or ~/.config).",
      valueName: "dir"))
  var wildcards: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The seed of what --templates random chooses (default: 0).", valueName: "n"))
  var templateSeed: UInt64?

  /// What makes prompts of templates; nil: prompts are no templates.
  /// - Throws: `Problem.usage` for options that have no effect, `Problem.missing` for a folder that is not there.
  func expander(environment: [String: String] = ProcessInfo.processInfo.environment) throws
    -> TemplateExpander?
  {
    guard let templates else {
      for (name, isGiven) in [("--wildcards", wildcards != nil), ("--template-seed", templateSeed != nil)]
      where isGiven {
        throw Problem.usage("\(name) has no effect without --templates combinatorial or random")
      }
      return nil
    }
    var isFolder: ObjCBool = false
    if let wildcards {
      guard FileManager.default.fileExists(atPath: wildcards, isDirectory: &isFolder), isFolder.boolValue
      else { throw Problem.missing("--wildcards \(wildcards): no such folder; check the path") }
    }
    let own = BaseFolders(environment: environment).configuration.map { "\($0)/segmoe/wildcards" }
    let folder = wildcards.map(absolutePath) ?? own
    return TemplateExpander(
      templates, seed: templateSeed ?? 0, wildcards: folder.map { Wildcards(folder: $0) } ?? Wildcards())
  }
}

/// Which of a template's texts are taken.
enum TemplateChoice: Equatable, ExpressibleByArgument {
  /// All of them.
  case combinatorial
  /// So many at random.
  case random(Int)

  init?(argument: String) {
    switch argument {
    case "combinatorial": self = .combinatorial
    case "random": self = .random(1)
    default:
      guard argument.hasPrefix("random:"), let count = Int(argument.dropFirst("random:".count)),
        (1...TemplateLimits().expansions).contains(count)
      else { return nil }
      self = .random(count)
    }
  }

  /// As it is typed.
  var text: String {
    switch self {
    case .combinatorial: "combinatorial"
    case .random(let count): "random:\(count)"
    }
  }
}

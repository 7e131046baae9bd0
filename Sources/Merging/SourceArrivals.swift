import Diffusion
import Experts

/// Where a recipe's sources are, or will be: those of a hub may still be on their way when a merge begins.
package protocol SourceArrivals: Sendable {
  /// The path of a source; waits until it is here.
  /// - Throws: why it will never be here.
  func path(of source: Recipe.Source) throws -> String
  /// Whether a source is here.
  func isHere(_ source: Recipe.Source) -> Bool
}

/// The sources of a recipe that are all on this machine.
package struct LocalSources: SourceArrivals {
  /// Nothing has to come.
  package init() {}

  /// As the recipe's reader has found it.
  package func path(of source: Recipe.Source) -> String { source.path }

  /// Always.
  package func isHere(_ source: Recipe.Source) -> Bool { true }
}

/// The base and the experts of a merge, each opened and checked once, when it is here or needed.
struct OpenedSources {
  private let recipe: Recipe
  private let arrivals: any SourceArrivals
  let base: MergeSource
  let covered: CoveredLayers
  private var experts: [Int: MergeSource] = [:]

  /// Opens the base; waits until it is here.
  /// - Throws: `MergeError.base`, and why it will never be here.
  init(_ recipe: Recipe, _ arrivals: any SourceArrivals) throws {
    self.recipe = recipe
    self.arrivals = arrivals
    let (place, loras) = (try Self.placed(recipe.base, arrivals), try Self.placed(recipe.baseLoRAs, arrivals))
    do {
      base = try MergeSource(place, loras: loras, family: recipe.family)
    } catch {
      throw MergeError.base(source: recipe.base.written, reason: "\(error)")
    }
    let blocks = CoveredLayers.blocks(base.family, levels: base.shape.down.count)
    covered = CoveredLayers(
      MixtureConfiguration(
        experts: recipe.experts.count, expertsPerCall: recipe.expertsPerToken, layers: recipe.mixtureLayers,
        downBlocks: blocks.down, upBlocks: blocks.up))
  }

  /// Opens and checks every expert that is here, so that a wrong one is found before hours of work.
  /// - Throws: `MergeError.expert`
  mutating func openArrived() throws {
    for (index, expert) in recipe.experts.enumerated()
    where ([expert.source] + expert.loras.map(\.source)).allSatisfy(arrivals.isHere) {
      _ = try self.expert(index)
    }
  }

  /// An expert; waits until it is here.
  /// - Throws: `MergeError.expert`, and why it will never be here.
  mutating func expert(_ index: Int) throws -> MergeSource {
    if let opened = experts[index] { return opened }
    let wanted = recipe.experts[index]
    let (place, loras) = (try Self.placed(wanted.source, arrivals), try Self.placed(wanted.loras, arrivals))
    let opened = try recipe.naming(index) {
      let source = try MergeSource(place, loras: loras, family: base.family)
      for (name, tensor) in base.weights.tensors where covered.split(name) != nil {
        _ = try source.weights.stored(name, shape: tensor.shape)
      }
      return source
    }
    experts[index] = opened
    return opened
  }

  /// All experts, in order; waits until all are here.
  mutating func all() throws -> [MergeSource] {
    var all: [MergeSource] = []
    for index in recipe.experts.indices { all.append(try expert(index)) }
    return all
  }

  /// The sources that are open.
  var opened: [MergeSource] { [base] + experts.values }

  private static func placed(_ source: Recipe.Source, _ arrivals: any SourceArrivals) throws -> Recipe.Source
  {
    var placed = source
    placed.path = try arrivals.path(of: source)
    return placed
  }

  private static func placed(_ loras: [Recipe.LoRA], _ arrivals: any SourceArrivals) throws -> [Recipe.LoRA] {
    try loras.map { lora in
      var lora = lora
      lora.source = try placed(lora.source, arrivals)
      return lora
    }
  }
}

extension Recipe {
  /// Says which expert an error came from.
  func naming<Result>(_ index: Int, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as MergeError {
      throw error
    } catch let error where !(error is CancellationError) {
      throw MergeError.expert(index: index, source: experts[index].source.written, reason: "\(error)")
    }
  }
}

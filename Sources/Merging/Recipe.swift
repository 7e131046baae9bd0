import Configuration
import Requests

/// What to merge into a SegMoE model: the reference's `config.yaml`, checked.
package struct Recipe: Sendable, Equatable {
  /// The kind of all models in the mixture.
  package enum Family: String, Sendable, CaseIterable {
    /// Stable Diffusion 1 and 2: one text encoder.
    case sd
    /// Stable Diffusion XL: two text encoders.
    case sdxl
  }

  /// Which layers of a transformer block become mixtures.
  package enum MixedLayers: String, Sendable, CaseIterable {
    /// Queries, keys and values of both attentions.
    case attn
    /// The feed-forward part.
    case ff
    /// Both.
    case all
  }

  /// How gates get their weights.
  package enum GateInit: String, Sendable, CaseIterable {
    /// Mean inputs of each layer under the expert's prompts.
    case hidden
    /// Small random numbers.
    case random
  }

  /// A model or LoRA as the recipe names it, found on this machine or to be pulled.
  package struct Source: Sendable, Equatable {
    /// The name in the recipe.
    package let written: String
    /// A file or folder that was there when the recipe was read, or was pulled since.
    package var path: String
    /// Where the recipe names it.
    package let position: YAMLPosition
    /// The model of a hub; nil for a path.
    package let remote: ModelSource?
    /// What it is wanted for.
    package let use: ModelUse
  }

  /// A LoRA that is fused into a model before the merge.
  package struct LoRA: Sendable, Equatable {
    /// The file, or the folder that holds it.
    package var source: Source
    /// Appended to the expert's prompt for the gates; may be empty.
    package let positivePrompt: String
    /// Appended to the expert's negative prompt for the gates; may be empty.
    package let negativePrompt: String
    /// How strongly it counts; the reference knows only 1.
    package let weight: Double
  }

  /// One expert: a model, its LoRAs, and the prompts that describe what it is for.
  package struct Expert: Sendable, Equatable {
    /// The model; the base if the expert is the base with a LoRA.
    package var source: Source
    /// As written for the expert itself.
    package let positivePrompt: String
    /// As written for the expert itself.
    package let negativePrompt: String
    /// All are fused.
    package var loras: [LoRA]

    /// The prompt that the gates are computed with: the expert's and its LoRAs', with a space between.
    package var gatePrompt: String { Expert.joined([positivePrompt] + loras.map(\.positivePrompt)) }

    /// The negative prompt that the gates are computed with.
    package var gateNegativePrompt: String { Expert.joined([negativePrompt] + loras.map(\.negativePrompt)) }

    private static func joined(_ prompts: [String]) -> String {
      prompts.filter { !$0.isEmpty }.joined(separator: " ")
    }
  }

  /// The model that gives everything outside the mixtures.
  package let base: Source
  /// LoRAs fused into the base: the top-level `loras` of a recipe that also lists experts.
  package let baseLoRAs: [LoRA]
  /// The experts in their order, at least one.
  package let experts: [Expert]
  /// How many experts a layer call uses, from 1 to the number of experts.
  package let expertsPerToken: Int
  /// Which layers become mixtures.
  package let layers: MixedLayers
  /// The kind of the models. nil: the base's.
  package let family: Family?
  /// How the gates are made.
  package let gates: GateInit
  /// The recipe as it was written, for `segmoe_config` in the merged model.
  package let written: YAMLNode

  /// What has to be pulled before the merge, each once, in the recipe's order.
  package var remoteSources: [Source] {
    let all = [base] + baseLoRAs.map(\.source) + experts.flatMap { [$0.source] + $0.loras.map(\.source) }
    var seen: Set<ModelSource> = []
    return all.filter { source in source.remote.map { seen.insert($0).inserted } ?? false }
  }
}

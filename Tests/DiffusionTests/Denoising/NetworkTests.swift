import Checkpoints
import Diffusion
import GoldenModels
import Tensors
import Testing
import WeightCache

/// Each network alone against the genuine one: relative error at most 1e-4.
@Suite struct NetworkTests {
  struct Index: Decodable {
    struct Text: Decodable {
      let ids: [[Int32]]
      let prompts: [String]
    }
    struct Call: Decodable {
      struct Routing: Decodable { let chosen: [Int] }
      let timestep: Float
      let routing: [String: Routing]?
    }
    struct UNet: Decodable { let calls: [String: Call] }
    struct Autoencoder: Decodable { let scalingFactor: Float }
    let text: [String: Text]
    let unet: [String: UNet]
    let vae: [String: Autoencoder]
  }

  let index: Index
  let compute = Compute(threads: 2)

  init() throws { index = try Golden.decode("numbers/networks.json") }

  @Test func textStates() throws {
    let model = try Golden.ModelParts("base").load()
    let golden = try Golden.tensors("numbers/text-base.safetensors")
    let text = try #require(index.text["base"])
    #expect(text.prompts.map { model.prompts.first.tokenizer.encode($0) } == text.ids)
    let states = try model.prompts.first.network(text.ids, ForwardPass(compute: compute))
    let error = try relativeError(states, golden["states"])
    #expect(error < 1e-4, "relative error \(error)")
  }

  @Test(arguments: ["base", "wide", "all-3x2", "ff-2x1", "attn-3x1"])
  func unetCall(_ name: String) throws {
    let model = try Golden.ModelParts(name).load()
    let golden = try Golden.tensors("numbers/unet-\(name).safetensors")
    let pass = ForwardPass(compute: compute)
    for (label, call) in try #require(index.unet[name]).calls {
      let sample = try golden["\(label).sample"]
      let pair = try golden["states"]
      let states = sample.shape[0] == 1 ? pair.image(1) : pair
      let context = try model.unet.prepare(states, pass)
      let output = try model.unet(
        sample.channelsLast, timestep: call.timestep, text: context, pass)
      let error = try relativeError(output.channelsFirst, golden["\(label).output"])
      #expect(error < 1e-4, "\(name) \(label): relative error \(error)")
    }
  }

  @Test(arguments: ["base", "wide"])
  func decode(_ name: String) throws {
    let model = try Golden.ModelParts(name).load()
    let golden = try Golden.tensors("numbers/vae-\(name).safetensors")
    let factor = try #require(index.vae[name]).scalingFactor
    let latents = try golden["latents"]
    let scaled = Tensor(shape: latents.shape, values: latents.values.map { $0 * factor })
    let image = try model.decoder(
      scaled.channelsLast, undoingNormalization: false, ForwardPass(compute: compute))
    let error = try relativeError(image.channelsFirst, golden["image"])
    #expect(error < 1e-4, "relative error \(error)")
  }

  @Test func threadsDoNotChangeABit() throws {
    let model = try Golden.ModelParts("all-3x2").load()
    let golden = try Golden.tensors("numbers/unet-all-3x2.safetensors")
    let outputs = try [1, 2, 3, 5].map { threads in
      let pass = ForwardPass(compute: Compute(threads: threads))
      let context = try model.unet.prepare(golden["states"], pass)
      return try model.unet(golden["square.sample"].channelsLast, timestep: 501, text: context, pass).values
    }
    for output in outputs { #expect(output == outputs[0]) }
  }
}

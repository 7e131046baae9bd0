import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Tensors
import TestSupport
import Testing
import WeightCache

/// What a model can do is told by its parts, whatever task the class in its index was saved for.
@Suite struct ModelPartsTests {
  /// A copy of a golden model with another `model_index.json`.
  private func model(_ name: String, _ changes: [String: JSONValue]) throws -> DiffusionModel {
    let parts = try Golden.ModelParts(name)
    let index = parts.path + "/model_index.json"
    let values = try ConfigObject(contentsOf: index).values.merging(changes) { $1 }
    try FileManager.default.removeItem(atPath: index)
    try Data(JSONValue.object(values).text.utf8).write(to: URL(fileURLWithPath: index))
    return try DiffusionModel(folder: ModelFolder(path: parts.path), cache: PartCache())
  }

  @Test(arguments: [
    ("base", "StableDiffusionInpaintPipeline"), ("base", "StableDiffusionImg2ImgPipeline"),
    ("base", "StableDiffusionSAGPipeline"), ("base", "StableDiffusionPAGPipeline"),
    ("base", "StableDiffusionPAGInpaintPipeline"), ("base", "StableDiffusionPanoramaPipeline"),
    ("base", "StableDiffusionPipelineSafe"), ("base", "StableDiffusionAttendAndExcitePipeline"),
    ("lcm", "LatentConsistencyModelImg2ImgPipeline"), ("xl", "StableDiffusionXLInpaintPipeline"),
    ("xl", "StableDiffusionXLImg2ImgPipeline"), ("xl", "StableDiffusionXLPAGImg2ImgPipeline"),
    ("xl", "StableDiffusionXLPAGPipeline"),
  ]) func classesOfTheSameParts(_ name: String, _ className: String) throws {
    let model = try model(name, ["_class_name": .string(className)])
    #expect(model.family == (name == "xl" ? .xl : .sd))
  }

  /// A pipeline with code of its own is named by that code and its class.
  @Test func aPipelineOfItsOwnIsNoPart() throws {
    let name = JSONValue.array([
      .string("lpw_stable_diffusion"), .string("StableDiffusionLongPromptWeightingPipeline"),
    ])
    #expect(try model("base", ["_class_name": name]).family == .sd)
  }

  /// Parts that such a class has, and this engine has not.
  @Test(arguments: [
    ("base", "controlnet", "ControlNetModel"), ("base", "adapter", "T2IAdapter"),
    ("base", "depth_estimator", "DPTForDepthEstimation"), ("base", "low_res_scheduler", "DDPMScheduler"),
    ("base", "inverse_scheduler", "DDIMInverseScheduler"), ("base", "motion_adapter", "MotionAdapter"),
    ("xl", "controlnet", "ControlNetUnionModel"), ("xl", "text_encoder_3", "T5EncoderModel"),
  ]) func unknownPartsAreRefused(_ name: String, _ part: String, _ className: String) throws {
    let error = #expect(throws: DiffusionError.self) {
      try model(name, [part: .array([.string("diffusers"), .string(className)])])
    }
    #expect(error.map { "\($0)".contains(part) && "\($0)".contains(className) } == true)
    // Left out, it is no matter.
    _ = try self.model(name, [part: .array([.null, .null])])
  }

  @Test func missingPartsAreRefused() throws {
    let none = JSONValue.array([.null, .null])
    for (name, part) in [
      ("base", "unet"), ("base", "text_encoder"), ("xl", "text_encoder"), ("xl", "tokenizer_2"),
    ] {
      let error = #expect(throws: DiffusionError.self) { try model(name, [part: none]) }
      #expect(error.map { "\($0)".contains(part) } == true)
    }
    #expect(throws: DiffusionError.self) { try model("xl", ["requires_aesthetics_score": .bool(true)]) }
  }

  /// What a single file says of its training decides the prediction, and whether noise has no signal at the end.
  @Test(arguments: [
    (["v_pred", "ztsnr"], SchedulerConfiguration.Prediction.velocity, true), (["v_pred"], .velocity, false),
    (["ztsnr"], .epsilon, false), ([], .epsilon, false),
  ]) func markersOfASingleFile(
    _ names: [String], _ prediction: SchedulerConfiguration.Prediction, _ isZeroSNR: Bool
  ) throws {
    let file = try SingleFile("xl", extra: Dictionary(uniqueKeysWithValues: names.map { ($0, [0]) }))
    try? FileManager.default.removeItem(atPath: file.folder + "/model.config/scheduler")
    let model = try file.load()
    #expect(model.schedulerConfiguration.prediction == prediction)
    #expect(model.schedulerConfiguration.rescaleZeroSNR == isZeroSNR)
  }

  @Test(arguments: [
    (["modelspec.prediction_type": "v"], SchedulerConfiguration.Prediction.velocity),
    (["modelspec.prediction_type": "epsilon"], .epsilon), (["ss_v_parameterization": "True"], .velocity),
  ]) func metadataOfASingleFile(
    _ metadata: [String: String], _ prediction: SchedulerConfiguration.Prediction
  ) throws {
    let file = try SingleFile("sd2", metadata: metadata)
    try? FileManager.default.removeItem(atPath: file.folder + "/model.config/scheduler")
    #expect(try file.load().schedulerConfiguration.prediction == prediction)
  }

  /// What the folder beside a file says goes before what the file says.
  @Test func theFolderBesideAFileDecides() throws {
    let file = try SingleFile("xl", extra: ["v_pred": [0]])
    #expect(try file.load().schedulerConfiguration.prediction == .epsilon)
  }

  /// diffusers writes a key when it saves a TAESD that it passes over when it loads one.
  @Test func aTinyVAEThatWasSavedAgainIsTaken() throws {
    let path = Places.golden("vae/tiny/config.json")
    let values = try ConfigObject(contentsOf: path).values
    let own = try AutoencoderTinyConfiguration(ConfigObject(path: path, values: values))
    let again = try AutoencoderTinyConfiguration(
      ConfigObject(
        path: path,
        values: values.merging(["block_out_channels": .array([.integer(64), .integer(64)])]) { $1 }))
    #expect(own.decoder == again.decoder && own.encoder == again.encoder)
  }
}

import Foundation
import TestSupport
import Testing

/// One table of arguments through both programs: what `segmoe render` refuses, `segmoectl enqueue` refuses with the
/// same words and the same exit code, and what one takes the other takes.
@Suite struct RequestTableTests {
  private static let model = Places.golden("model/base")

  /// Options with values that both take, and values that both refuse.
  static let table: [(option: String, taken: [String], refused: [String])] = [
    ("--width", ["8", "64", "72"], ["0", "-8", "100", "4.5", "x", "", "16392", "99999999999999999999"]),
    ("--height", ["8", "64"], ["0", "-64", "12", "1e3", "sixty", "", "20000"]),
    ("--steps", ["1", "2"], ["0", "-1", "1001", "2.5", "x", "", "9223372036854775808"]),
    (
      "--guidance-rescale", ["0", "0.7", "1"], ["-0.1", "1.01", "nan", "inf", "x", ""]
    ),
    (
      "--guidance", ["0", "1", "-3", "7.5", "1000", "-1000", "1e2"], ["5000", "-1001", "nan", "inf", "x", ""]
    ),
    ("--guidance-from", ["0", "0.5", "1"], ["-0.1", "1.01", "nan", "inf", "x", ""]),
    ("--guidance-until", ["0", "0.5", "1"], ["-0.1", "1.01", "nan", "inf", "x", ""]),
    (
      "--deep-cache", ["1", "1:8", "2", "3:1", "1000:8"],
      ["0", "-2", "1001", "2:-1", "2:48", "2:", ":1", "2:1:1", "2.5", "x", ""]
    ),
    (
      "--token-merging", ["0", "0:2", "0.5", "0.75", "1e-3", "0.5:2", "0.3:8"],
      ["-0.1", "0.76", "nan", "inf", "0.5:3", "0.5:0", "0.5:", ":2", "0.5:1:1", "x", ""]
    ),
    ("--sigmas", ["uniform", "sgm_uniform", "linspace"], ["Karras!", "", "cosine", "use_karras_sigmas"]),
    ("--eta", [], ["-0.1", "1.1", "nan", "inf", "x", ""]),
    ("--timesteps", [], ["", "x", "999,", "1.5", "-1", "500,700", "500,500", "9999999999999999999999"]),
    ("--sigma-list", [], ["", "x", "3", "1,2", "nan,0", "inf,0", "2,-1", "1,1", "1e9,0"]),
    (
      "--scheduler",
      [
        "ddim", "euler_a", "lcm", "DDIM", "Euler a", "DPM++ 2M Karras", "PLMS", "k_heun",
        "UniPCMultistepScheduler", "DPM2 a Karras", "DPM++ 2M SDE Exponential",
      ],
      ["DDIM2", "pmls", "", "euler a!", "DPM++ 9M", "++", "DDIM Karras", "Karras", "DPM++ 9M Karras"]
    ),
    (
      "--seed", ["0", "1", "9223372036854775807", "9223372036854775808", "18446744073709551615"],
      ["18446744073709551616", "1.5", "x", "", "-2", "Random!"]
    ),
    (
      "--variation-seed", ["0", "18446744073709551615"],
      ["18446744073709551616", "1.5", "x", "", "-2", "Random!"]
    ),
    ("--variation-strength", ["0", "0.25", "1"], ["-0.1", "1.01", "nan", "inf", "x", ""]),
    ("--count", ["1", "2"], ["0", "-1", "1001", "x", ""]),
    ("--precision", ["f32", "bf16", "int8"], ["f64", "F32", "", "16"]),
    ("--lora", [], ["f:nan", "f:inf", ":0.5", "", "gone.safetensors", "gone.safetensors:0.5"]),
    ("--embedding", [], ["", "gone.safetensors", "gone.safetensors:<cat>"]),
    ("--vae", [], ["", "gone.safetensors"]),
    ("--clip-skip", ["0", "1"], ["-1", "101", "x", ""]),
    ("--negative-prompt", ["", "blurry"], []),
    (
      "--original-size", ["64x64", "1000000x1", "64X64"], ["0x8", "8", "8x", "axb", "1000001x1", "", "-1x8"]
    ),
    ("--crop", ["0,0", "-8,64"], ["0", "1,2,3", "a,b", "1000001,0", ""]),
    ("--target-size", ["512x512"], ["0x0", "512", "5x5x5", ""]),
    ("--memory-budget", ["4GiB", "2g", "3000000000"], ["lots", "", "-1", "4XB", "1e40"]),
    ("--init-image", [], ["gone.png", ""]),
    ("--strength", [], ["0.5", "x", ""]),
    ("--mask", [], ["gone.png"]),
  ]

  private static func run(_ program: String, _ arguments: [String], in folder: String) throws -> (
    code: Int32, said: String
  ) {
    let outcome = try Outcome(of: program, arguments, in: folder)
    return (outcome.code, outcome.errors.replacingOccurrences(of: "\(program): ", with: ""))
  }

  /// The same settings for both programs; what is small unless the row says otherwise.
  private static func both(_ settings: [String], in command: Command) throws -> (
    render: (code: Int32, said: String), enqueue: (code: Int32, said: String)
  ) {
    var all = settings
    for (option, value) in [("--width", "64"), ("--height", "64"), ("--steps", "1")]
    where !settings.contains(option) { all += [option, value] }
    let render = try run(
      "segmoe",
      ["render", model, "--prompt", "p", "--output", command.folder + "/out.png", "--quiet"] + all,
      in: command.folder)
    let enqueue = try run(
      "segmoectl", ["enqueue", "p", "--model", model, "--database", command.database] + all,
      in: command.folder)
    return (render, enqueue)
  }

  @Test func theTableIsLarge() {
    #expect(Self.table.reduce(0) { $0 + $1.taken.count + $1.refused.count } >= 100)
  }

  @Test(arguments: table.indices) func bothRefuseTheSameWithTheSameWords(row: Int) throws {
    let (option, _, refused) = Self.table[row]
    for value in refused {
      let found = try Self.both([option, value], in: Command())
      #expect([64, 66].contains(found.render.code), "\(option) \(value): \(found)")
      #expect(found.render == found.enqueue, "\(option) \(value): \(found)")
    }
  }

  @Test(arguments: table.indices) func bothTakeTheSame(row: Int) throws {
    let (option, taken, _) = Self.table[row]
    for value in taken {
      let found = try Self.both([option, value], in: Command())
      #expect(found.render.code == 0 && found.enqueue.code == 0, "\(option) \(value): \(found)")
    }
  }

  /// Settings that are wrong only together.
  @Test func bothRefuseTheSameTogether() throws {
    let picture = Places.golden("images/picture.png")
    let rows = [
      ["--init-image", picture, "--strength", "0"], ["--init-image", picture, "--strength", "1.1"],
      ["--init-image", picture, "--strength", "-1"], ["--init-image", picture, "--strength", "nan"],
      ["--init-image", picture, "--strength", "0.1", "--steps", "4"],
      ["--mask", picture], ["--strength", "0.5", "--mask", picture],
    ]
    for row in rows + Self.refusedSchedules {
      let found = try Self.both(row, in: Command())
      #expect(found.render.code == 64 && found.render == found.enqueue, "\(row): \(found)")
    }
    let whole = try Self.both(["--init-image", picture, "--strength", "0.5", "--steps", "2"], in: Command())
    #expect(whole.render.code == 0 && whole.enqueue.code == 0, "\(whole)")
  }

  /// Schedules that the method does not have, in two ways at once, or of another number of steps.
  private static let refusedSchedules = [
    ["--scheduler", "ddim", "--sigmas", "karras"], ["--scheduler", "lcm", "--sigmas", "uniform"],
    ["--scheduler", "ipndm", "--sigmas", "karras"], ["--scheduler", "edm_euler", "--sigmas", "beta"],
    ["--scheduler", "dpmpp_2m_karras", "--sigmas", "exponential"],
    ["--scheduler", "euler", "--eta", "0.5"], ["--scheduler", "lcm", "--eta", "0"],
    ["--scheduler", "ddim", "--timesteps", "999"], ["--scheduler", "unipc", "--timesteps", "999"],
    ["--scheduler", "dpmpp_2m_karras", "--timesteps", "999"], ["--scheduler", "heun", "--sigma-list", "3,0"],
    ["--scheduler", "euler", "--timesteps", "999,500", "--steps", "3"],
    ["--scheduler", "euler", "--sigma-list", "3,1,0", "--steps", "3"],
    ["--scheduler", "euler", "--sigmas", "ays", "--steps", "11"],
    ["--scheduler", "euler", "--sigmas", "karras", "--timesteps", "999"],
    ["--scheduler", "euler", "--timesteps", "999", "--sigma-list", "3,0"],
    ["--guidance-from", "0.8", "--guidance-until", "0.5"],
  ]

  @Test func bothTakeSchedules() throws {
    let rows = [
      ["--scheduler", "euler", "--sigmas", "karras"], ["--scheduler", "ddim", "--eta", "0.5"],
      ["--scheduler", "tcd", "--eta", "0.3"], ["--scheduler", "euler", "--timesteps", "500"],
      ["--scheduler", "euler", "--timesteps", "999, 500", "--steps", "2"],
      ["--scheduler", "euler", "--sigma-list", "3,0"],
      ["--scheduler", "edm_dpmpp_2m", "--sigmas", "exponential"],
      ["--scheduler", "dpmpp_2m_karras", "--sigmas", "karras"],
      ["--scheduler", "dpmpp_2s", "--timesteps", "7"],
    ]
    for row in rows {
      let found = try Self.both(row, in: Command())
      #expect(found.render.code == 0 && found.enqueue.code == 0, "\(row): \(found)")
    }
  }

  /// What docs/fast.md says of distilled models, and what leaves work out together.
  @Test func bothTakeTheSettingsOfFastModels() throws {
    let rows = [
      "--scheduler lcm --steps 4 --guidance 1", "--scheduler lcm --steps 4 --guidance 8",
      "--steps 1 --guidance 0",
      "--scheduler euler --sigmas sgm_uniform --steps 4 --guidance 0",
      "--scheduler ddim --sigmas sgm_uniform --steps 4 --guidance 0",
      "--scheduler ddim --sigmas sgm_uniform --steps 8 --guidance 5",
      "--scheduler tcd --eta 1 --steps 1 --guidance 0", "--scheduler tcd --eta 0.3 --steps 4 --guidance 0",
      "--scheduler lcm --timesteps 999,749,499,249 --steps 4 --guidance 0",
      "--steps 5 --deep-cache 3:1 --token-merging 0.5:2 --guidance-until 0.5",
    ]
    for row in rows {
      let found = try Self.both(row.split(separator: " ").map(String.init), in: Command())
      #expect(found.render.code == 0 && found.enqueue.code == 0, "\(row): \(found)")
    }
  }

  /// A sentence that names what is allowed.
  @Test func whatIsAllowedIsSaid() throws {
    let found = try Self.both(["--scheduler", "ddim", "--sigmas", "karras"], in: Command())
    #expect(found.render.said.contains("use uniform or sgm_uniform with scheduler ddim"), "\(found)")
    let eta = try Self.both(["--scheduler", "euler", "--eta", "0.5"], in: Command())
    #expect(eta.render.said.contains("use it with scheduler ddim or tcd"), "\(eta)")
  }
}

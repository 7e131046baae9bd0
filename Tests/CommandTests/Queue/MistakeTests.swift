import Foundation
import Testing

/// What people type wrong, and what they are told: one line that says what, why and the nearest right thing.
@Suite struct MistakeTests {
  /// A mistake: the program, its arguments, the exit code, and what the answer must say.
  struct Mistake: CustomStringConvertible {
    let words: String
    let code: Int32
    let parts: [String]

    init(_ words: String, _ code: Int32, _ parts: String...) {
      (self.words, self.code, self.parts) = (words, code, parts)
    }

    var description: String { words }

    /// The program and its arguments; `_` stands for an empty one, `+` for a space.
    var command: [String] {
      words.split(separator: " ").map { $0 == "_" ? "" : $0.replacingOccurrences(of: "+", with: " ") }
    }
  }

  static let table: [Mistake] = [
    // Commands.
    Mistake("segmoectl enqeue p", 64, "'enqeue'", "did you mean 'enqueue'?", "`segmoectl --help`"),
    Mistake("segmoectl lst", 64, "did you mean 'list'?"),
    Mistake("segmoectl statsu", 64, "did you mean 'status'?"),
    Mistake("segmoectl retyr 1", 64, "did you mean 'retry'?"),
    Mistake("segmoectl Cancel 1", 64, "did you mean 'cancel'?"),
    Mistake("segmoectl doktor", 64, "did you mean 'doctor'?"),
    Mistake("segmoectl frobnicate", 64, "known here: enqueue, "),
    Mistake("segmoe rendr m", 64, "did you mean 'render'?", "`segmoe --help`"),
    Mistake("segmoe merg a b", 64, "did you mean 'merge'?"),
    Mistake("segmoe contactsheet a.png", 64, "did you mean 'contact-sheet'?"),
    Mistake("segmoectl help enqeue", 64, "did you mean 'enqueue'?"),
    Mistake("segmoe help rendr", 64, "did you mean 'render'?"),
    Mistake("segmoed extra", 64, "'extra'", "check-config"),
    Mistake("segmoe tokenise", 64, "did you mean 'tokenize'?"),
    Mistake("segmoed chek-config", 64, "did you mean 'check-config'?"),
    // Options.
    Mistake(
      "segmoectl enqueue p --model m --stpes 3", 64, "'--stpes'", "'--steps'", "`segmoectl enqueue --help`"),
    Mistake("segmoectl enqueue p --modle m", 64, "'--modle'", "'--model'"),
    Mistake("segmoectl enqueue p --model m --negative blurry", 64, "'--negative'"),
    Mistake("segmoectl enqueue p --model m --sampler euler", 64, "'--sampler'"),
    Mistake("segmoectl list --stat queued", 64, "'--stat'", "'--state'", "`segmoectl list --help`"),
    Mistake("segmoectl watch --bach 1", 64, "'--bach'", "'--batch'"),
    Mistake("segmoectl cancel 1 --dryrun", 64, "'--dryrun'", "'--dry-run'"),
    Mistake("segmoed --drian", 64, "'--drian'", "'--drain'"),
    Mistake("segmoed check-config --jsn", 64, "'--jsn'", "'--json'", "`segmoed check-config --help`"),
    Mistake("segmoe render m --prompt p --output x.png --sdee 3", 64, "'--sdee'", "'--seed'"),
    Mistake("segmoectl enqueue p --model m --steps", 64, "--steps", "`segmoectl enqueue --help`"),
    Mistake("segmoectl retry --batch", 64, "--batch"),
    Mistake("segmoectl enqueue p --model m --steps=", 64, "--steps"),
    Mistake("segmoectl enqueue p --model m --key", 64, "--key", "`segmoectl enqueue --help`"),
    Mistake("segmoed fetch --databse x", 64, "'--databse'", "'--database'", "`segmoed fetch --help`"),
    Mistake("segmoed check-config --json --quiet", 64, "--json and --quiet"),
    // Arguments.
    Mistake("segmoectl show", 64, "<id>", "`segmoectl show --help`"),
    Mistake("segmoectl show x", 64, "'x'"),
    Mistake("segmoectl cancel", 64, "--batch"),
    Mistake("segmoectl cancel 1 --batch 1", 64, "--batch"),
    Mistake("segmoectl retry", 64, "--batch"),
    Mistake("segmoectl watch 1 --batch 1", 64, "not both"),
    Mistake("segmoectl list extra", 64, "'extra'"),
    Mistake("segmoectl reorder 1", 64, "--priority"),
    Mistake("segmoectl edit", 64, "<id>", "`segmoectl edit --help`"),
    Mistake("segmoectl edit 1", 64, "nothing says what to change", "--steps 30"),
    Mistake("segmoectl enqueue p --model m --notify true", 64, "--notify", "add --wait"),
    Mistake("segmoectl enqueue p --model m --after", 64, "--after"),
    Mistake("segmoe render", 64, "<model>", "`segmoe render --help`"),
    Mistake("segmoe render m --output x.png", 64, "--prompt"),
    Mistake("segmoe contact-sheet", 64, "<pictures>"),
    Mistake("segmoe inspect", 64, "<model>"),
    Mistake("segmoectl show 1 2", 64, "'2'", "`segmoectl show --help`"),
    Mistake("segmoectl doctor extra", 64, "'extra'"),
    Mistake("segmoe merge a", 64, "<output>", "`segmoe merge --help`"),
    Mistake("segmoe contact-sheet a.png", 64, "--output"),
    Mistake("segmoe bench gone", 64, "'gone'", "'unet'"),
    // Values.
    Mistake("segmoectl list --limit -1", 64, "--limit must be 0 or more"),
    Mistake("segmoectl list --limit many", 64, "'many'"),
    Mistake("segmoectl list --state lost", 64, "'lost'", "queued"),
    Mistake("segmoectl list --since yesterday", 64, "'yesterday'", "2d"),
    Mistake("segmoectl enqueue p --model m --width 100", 64, "--width is 100", "multiple of 8"),
    Mistake("segmoectl enqueue p --model m --height 0", 64, "--height is 0"),
    Mistake("segmoectl enqueue p --model m --steps 0", 64, "--steps is 0", "1 to 1000"),
    Mistake("segmoectl enqueue p --model m --steps many", 64, "--steps is 'many'"),
    Mistake("segmoectl enqueue p --model m --steps 10,x", 64, "--steps is 'x'"),
    Mistake("segmoectl enqueue p --model m --steps 9..1", 64, "--steps is '9..1'", "smaller"),
    Mistake("segmoectl enqueue p --model m --seeds 5..1", 64, "--seeds is '5..1'", "smaller"),
    Mistake("segmoectl enqueue p --model m --guidance 4..9:0", 64, "--guidance is '4..9:0'", "steps above 0"),
    Mistake("segmoectl enqueue p --model m --scheduler eulr", 64, "did you mean 'euler'?"),
    Mistake(
      "segmoectl enqueue p --model m --sigmas karas", 64, "--sigmas is 'karas'", "did you mean 'karras'?"),
    Mistake("segmoectl enqueue p --model m --precision bf61", 64, "did you mean 'bf16'?"),
    Mistake("segmoectl enqueue p --model m --eta 0.5 --scheduler euler", 64, "--eta is 0.5", "ddim or tcd"),
    Mistake("segmoectl enqueue p --model m --timesteps 1,2,x", 64, "--timesteps is '1,2,x'", "falling"),
    Mistake(
      "segmoectl enqueue p --model m --guidance-from 0.9 --guidance-until 0.5", 64, "--guidance-from is 0.9",
      "--guidance-until"),
    Mistake("segmoectl enqueue p --model m --guidance nan", 64, "--guidance is nan"),
    Mistake("segmoectl enqueue p --model m --width 4294967296", 64, "--width is 4294967296", "multiple of 8"),
    Mistake("segmoectl enqueue p --model m --guidance lots", 64, "--guidance is 'lots'", "7.5 is usual"),
    Mistake("segmoectl enqueue p --model m --guidance-rescale 7", 64, "--guidance-rescale is 7", "0 to 1"),
    Mistake("segmoectl enqueue p --model m --scheduler magic", 64, "--scheduler is 'magic'", "euler_a"),
    Mistake("segmoectl enqueue p --model m --seed -2", 64, "--seed is '-2'", "random"),
    Mistake("segmoectl enqueue p --model m --seeds 1 --seed 2", 64, "--seed and --seeds"),
    Mistake("segmoectl enqueue p --model m --models a,b", 64, "--model and --models"),
    Mistake("segmoectl enqueue p --model m --count 0", 64, "--count is 0"),
    Mistake("segmoectl enqueue p --model m --precision f64", 64, "--precision is 'f64'", "bf16"),
    Mistake("segmoectl enqueue p --model m --clip-skip -1", 64, "--clip-skip is -1"),
    Mistake("segmoectl enqueue p --model m --crop 1", 64, "--crop is '1'"),
    Mistake("segmoectl enqueue p --model m --target-size big", 64, "--target-size is 'big'"),
    Mistake("segmoectl enqueue p --model m --memory-budget lots", 64, "--memory-budget is 'lots'", "4GiB"),
    Mistake("segmoectl enqueue p --model m --strength 0.5", 64, "--strength is 0.5", "it needs --init-image"),
    Mistake("segmoectl enqueue p --model m --mask m.png", 64, "--mask is", "--init-image"),
    Mistake("segmoectl enqueue p --model m --max-attempts 0", 64, "--max-attempts must be 1 to 100"),
    Mistake("segmoectl enqueue p --model m --max-attempts -3", 64, "--max-attempts must be 1 to 100"),
    Mistake("segmoectl enqueue p --model m --run-after soon", 64, "'soon'", "30m"),
    Mistake("segmoectl enqueue p --model m --name ../up", 64, "name", "'/'"),
    Mistake("segmoectl enqueue p --model m --priority high", 64, "'high'"),
    Mistake("segmoectl enqueue p --model m --name-pattern {sede}", 64, "{sede}", "did you mean 'seed'?"),
    Mistake("segmoectl enqueue p --model m --name-pattern /tmp/{job}", 64, "name pattern", "output folder"),
    Mistake("segmoectl enqueue p --model m --name-pattern ../{job}", 64, "name pattern", "dot"),
    Mistake("segmoectl edit 1 --steps 10,20", 64, "--steps is '10,20'"),
    Mistake("segmoectl edit 1 --steps 0 --max-attempts 0", 64, "--max-attempts must be 1 to 100"),
    Mistake("segmoectl enqueue p --model m --format xml", 64, "'xml'", "csv"),
    Mistake("segmoectl list --format {idd}", 64, "'idd'", "did you mean 'id'?"),
    Mistake("segmoectl list --format {images.pth}", 64, "below {images}", "did you mean 'path'?"),
    Mistake("segmoectl list --format {{.ID}}", 64, "--format", "single braces", "{id}"),
    Mistake("segmoectl list --format {id", 64, "--format", "never closed"),
    Mistake("segmoectl list --format id}", 64, "--format", "closes nothing"),
    Mistake("segmoectl list --format {id}\\x", 64, "--format", "\\t"),
    Mistake("segmoectl list --format _", 64, "--format", "{id}"),
    Mistake("segmoectl list --json --format {id}", 64, "--json and --format"),
    Mistake("segmoectl status --format {paussed}", 64, "did you mean 'paused'?"),
    Mistake("segmoectl enqueue p --model _", 64, "model"),
    Mistake("segmoectl enqueue p", 64, "--model"),
    Mistake("segmoectl purge", 64, "--older-than", "--keep"),
    Mistake("segmoectl purge --keep -1", 64, "--keep must be 0 or more"),
    Mistake("segmoectl purge --max-bytes lots", 64, "--max-bytes is 'lots'", "4GiB"),
    Mistake("segmoectl purge --max-bytes -5", 64, "--max-bytes is '-5'"),
    Mistake("segmoectl purge --older-than soon", 64, "'soon'", "30m"),
    Mistake("segmoectl purge --keep 1 --state running", 64, "running jobs are never purged", "cancel"),
    Mistake("segmoed --threads 0", 64, "--threads 0 is out of range", "1 to 1024"),
    Mistake("segmoed --threads many", 64, "'many'"),
    Mistake("segmoed --coalesce 99", 64, "--coalesce 99 is out of range"),
    Mistake("segmoed --log-level loud", 64, "'loud'", "debug"),
    Mistake("segmoed --cache-policy best", 64, "'best'", "next-use"),
    Mistake("segmoed --memory-budget lots", 64, "'lots'"),
    Mistake("segmoectl sheet 1", 64, "--output", "`segmoectl sheet --help`"),
    Mistake("segmoectl sheet 1 --output x.png --rows stpes", 64, "--rows 'stpes'", "did you mean 'steps'?"),
    Mistake("segmoectl compare --models m --output x.png", 64, "--prompts"),
    Mistake("segmoectl xy p --x steps --model m --output x.png", 64, "--x 'steps'", "--x steps=10,25"),
    Mistake("segmoectl xy p --x steps=1,0 --model m --output x.png", 64, "--steps is 0"),
    Mistake("segmoectl xy p --x steps=1,2 --model m --output gone/x.png", 66, "gone", "no such folder"),
    Mistake("segmoectl view 1 --protocol gif", 64, "'gif'", "sixel"),
    Mistake("segmoectl view x.png --index 1", 64, "--index is for a job"),
    Mistake("segmoectl watch --preview", 64, "--preview", "terminal"),
    Mistake("segmoe synth sd99 out", 64, "sd99", "sdxl"),
    Mistake("segmoe contact-sheet --columns 0 a.png --output b.png", 64, "--columns 0"),
    // Kinds of wrong prompt files, with line and column.
    Mistake(
      "segmoectl enqueue --model m --file key.json", 65, "key.json:2:3", "\"promt\"", "did you mean 'prompt'?"
    ),
    Mistake(
      "segmoectl enqueue --model m --file key.yaml", 65, "key.yaml:2:3", "\"stpes\"", "did you mean 'steps'?"),
    Mistake("segmoectl enqueue --model m --file kind.jsonl", 65, "kind.jsonl:2:17", "whole number"),
    Mistake("segmoectl enqueue --model m --file word.jsonl", 65, "word.jsonl:1", "did you mean 'euler'?"),
    Mistake("segmoectl enqueue --model m --file cut.jsonl", 65, "cut.jsonl:2:15", "not JSON"),
    Mistake("segmoectl enqueue --model m --file cut.json", 65, "cut.json:2:1", "ends before its end"),
    Mistake("segmoectl enqueue --model m --file cut.yaml", 65, "cut.yaml:3:6", "not YAML"),
    Mistake("segmoectl enqueue --model m --file value.csv", 65, "value.csv:3:3", "'many'", "1 to 1000"),
    Mistake("segmoectl enqueue --model m --file column.csv", 65, "column.csv:1:8", "did you mean 'steps'?"),
    Mistake("segmoectl enqueue --model m --file head.csv", 65, "head.csv:1:1", "did you mean 'prompt'?"),
    Mistake("segmoectl enqueue --model m --file quote.csv", 65, "quote.csv:2:1", "never closed"),
    Mistake("segmoectl enqueue --model m --file wide.csv", 65, "wide.csv:2:6", "3 cells under 2 columns"),
    Mistake("segmoectl enqueue --model m --file blank.txt", 65, "blank.txt", "no prompt"),
    Mistake("segmoectl enqueue --model m --file latin.txt", 65, "latin.txt:1", "UTF-8"),
    Mistake("segmoectl enqueue --model m --file numbers.jsonl", 65, "numbers.jsonl:1:1", "--format lines"),
    Mistake("segmoectl enqueue --model m --file line.jsonl", 65, "line.jsonl:2", "steps is 0"),
    // Files.
    Mistake("segmoectl enqueue --file gone.txt --model m", 66, "gone.txt", "no such file"),
    Mistake("segmoectl enqueue --file . --model m", 66, "folder"),
    Mistake("segmoectl enqueue p --model ./gone", 66, "gone", "check the path"),
    Mistake("segmoectl enqueue p --model m --lora gone.safetensors", 66, "gone.safetensors"),
    Mistake("segmoectl enqueue p --model m --init-image gone.png", 66, "gone.png"),
    Mistake("segmoectl show 99", 65, "no job 99", "segmoectl list"),
    Mistake("segmoectl cancel --batch tuesday", 65, "no batch tuesday"),
    Mistake("segmoectl view gone.png", 66, "gone.png", "cannot be read"),
    Mistake("segmoectl open 99", 65, "no job 99"),
    Mistake("segmoectl enqueue p --model m --after tuesday", 65, "no batch tuesday", "segmoectl list"),
    Mistake("segmoectl edit 99 --steps 30", 65, "no job 99", "segmoectl list"),
    Mistake("segmoectl edit 1 --lora gone.safetensors", 66, "gone.safetensors"),
    Mistake("segmoectl purge --keep 1 --files gone", 66, "gone"),
    Mistake("segmoectl list --database gone.sqlite", 66, "no queue", "enqueue"),
    Mistake("segmoectl enqueue --like gone.png", 66, "gone.png"),
    Mistake("segmoectl enqueue --like 99", 65, "no job 99"),
    Mistake("segmoectl enqueue --like blank.txt", 65, "blank.txt"),
    Mistake("segmoectl rerun gone.png", 66, "gone.png"),
    Mistake("segmoectl pause --batch tuesday", 65, "no batch tuesday"),
    Mistake("segmoectl stats --batch 9", 65, "no batch 9"),
    Mistake("segmoectl watch 99", 65, "no job 99"),
    Mistake("segmoectl list --batch tuesday", 65, "no batch tuesday"),
    Mistake("segmoectl list --database .", 66, "folder"),
    Mistake("segmoed --config gone.yaml", 66, "gone.yaml"),
    Mistake("segmoed --models gone", 66, "gone is not there"),
    Mistake("segmoed check-config gone.yaml", 66, "gone.yaml"),
    Mistake("segmoed check-config cut.yaml", 65, "cut.yaml:3"),
    Mistake("segmoe render m --prompt p --output gone/x.png", 66, "gone", "no such folder"),
    Mistake("segmoe pull x/y/z/w", 66, "x/y/z/w", "owner/name"),
    Mistake("segmoe render gone --prompt p --output x.png", 66, "gone"),
    Mistake("segmoe merge gone.yaml out", 66, "gone.yaml"),
    Mistake("segmoe merge gone.yaml cut.yaml/out", 66, "cut.yaml/out: cannot be made in", "another place"),
    Mistake("segmoectl reorder 99 --priority 1 --dry-run", 65, "no job 99"),
    Mistake("segmoectl resume --batch tuesday --dry-run", 65, "no batch tuesday"),
  ]

  /// Files that people write wrong.
  static let files: [(name: String, bytes: [UInt8])] =
    [
      ("key.json", "[{\"prompt\": \"a\"},\n {\"promt\": \"b\"}]\n"),
      ("key.yaml", "- prompt: a\n  stpes: 3\n"),
      ("kind.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\", \"steps\": \"many\"}\n"),
      ("word.jsonl", "{\"prompt\": \"a\", \"scheduler\": \"eulr\"}\n"),
      ("cut.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"\n"),
      ("cut.json", "[{\"prompt\": \"a\"},\n"), ("cut.yaml", "- a\n - b\n  - c: [\n"),
      ("value.csv", "prompt,steps\na,10\nb,many\n"), ("column.csv", "prompt,stpes\na,10\n"),
      ("head.csv", "promt,steps\na,10\n"), ("quote.csv", "prompt,steps\n\"a,10\n"),
      ("wide.csv", "prompt,steps\na,10,20\n"), ("blank.txt", "\n\n"),
      ("numbers.jsonl", "42\n[1,2]\n"),
      ("line.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\", \"steps\": 0}\n"),
    ].map { ($0.0, Array($0.1.utf8)) } + [("latin.txt", [0x61, 0xE4, 0x62, 0x0A])]

  @Test func theTableIsLarge() { #expect(Self.table.count >= 120) }

  @Test(arguments: table) func isAnsweredInALine(mistake: Mistake) throws {
    let command = try Command()
    _ = try command.client()
    for (name, bytes) in Self.files { try command.file(name, Data(bytes)) }
    let words = mistake.command
    let outcome = try BuiltProgram.run(
      words[0], Array(words.dropFirst()),
      environment: ["SEGMOE_DATABASE": command.database, "HOME": command.folder],
      by: ["/usr/bin/env", "--chdir", command.folder])
    #expect(outcome.code == mistake.code, "\(outcome)")
    #expect(outcome.output == "")
    #expect(outcome.errors.hasPrefix("\(words[0]): "), "\(outcome.errors)")
    #expect(outcome.errors.filter { $0 == "\n" }.count == 1, "\(outcome.errors)")
    for part in mistake.parts {
      #expect(outcome.errors.contains(part), "\(part) is not in: \(outcome.errors)")
    }
    #expect(try command.client().status().counts.total == 0)
  }
}

import Admin
import ArgumentParser

/// How a change is made; the same for every verb that makes one.
struct ChangeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Put the change on trial: it is taken back after so many seconds unless `gatehousectl confirm` keeps it.",
            discussion: "A change that would cut off a connection which now comes in is on trial for 60 s by itself.",
            valueName: "seconds"))
    var trial: Int?

    @Flag(
        name: [.customLong("no-trial"), .customLong("blind")], help: "Make the change for good, whoever it cuts off.")
    var noTrial = false

    @Flag(name: .customLong("dry-run"), help: "Show what the change would do, and do nothing.")
    var dryRun = false

    func validate() throws {
        guard trial == nil || !noTrial else { throw ValidationError("Give either --trial or --no-trial.") }
        if let trial, !(1...Manner.longestTrial).contains(trial) {
            throw ValidationError("--trial \(trial): give seconds from 1 to \(Manner.longestTrial).")
        }
    }

    var manner: Manner { Manner(dryRun: dryRun ? true : nil, trial: noTrial ? 0 : trial) }
}

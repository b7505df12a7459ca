import Policy
import Reactor
import Ruleset

/// What the kernel's live sets are to hold, and the way by which the firewall role hears of it: the changes of all who ask while
/// an order is under way go with the next one.
///
/// Belongs to the gateway and its thread.
final class LiveSets {
    private(set) var elements = LiveElements.none
    /// Whether the role has to be told everything before it puts a ruleset in force.
    private var isWholeDue = true
    private let process: RoleProcess?
    private let reactor: Reactor
    /// The order that is to go out next; nil: nobody has asked since the last one went.
    private var next: Errand?
    private var isUnderWay = false

    /// An order to the role, and those who wait for it.
    private final class Errand {
        var changes: [LiveChange] = []
        var waiting: [Alarm] = []
        var refusal: Refusal?
        var isDone = false
    }

    init(process: RoleProcess?, reactor: Reactor) {
        self.process = process
        self.reactor = reactor
    }

    /// The kernel has the changes when this returns; or it has them with the ruleset, where none is in force at present.
    ///
    /// - Parameter isEnforced: a ruleset is in force.
    /// - Throws: the kernel may not have them. They are what is to be all the same, until they are taken back.
    func change(_ changes: [LiveChange], isEnforced: Bool) async throws(Refusal) {
        for change in changes { elements.apply(change) }
        guard let process, isEnforced else {
            isWholeDue = true
            return
        }
        // Before it has put the ruleset in force it takes changes and the kernel does not have them.
        guard process.isRunning else {
            isWholeDue = true
            throw Refusal("the firewall role is being restarted; it has them as soon as it is there")
        }
        let errand = next ?? Errand()
        next = errand
        errand.changes += changes
        if isUnderWay {
            let alarm = Alarm(on: reactor)
            errand.waiting.append(alarm)
            await alarm.wait()
        }
        if !errand.isDone { await run(errand, by: process) }
        if let refusal = errand.refusal { throw refusal }
    }

    /// One of those who wait for an errand gives it, and wakes one of those who wait for the next.
    private func run(_ errand: Errand, by process: RoleProcess) async {
        (isUnderWay, next) = (true, nil)
        do throws(Refusal) {
            try await process.change(errand.changes, isWhole: false)
        } catch {
            errand.refusal = error
            isWholeDue = true
        }
        errand.isDone = true
        for alarm in errand.waiting { alarm.ring() }
        if let next, !next.waiting.isEmpty { next.waiting.removeFirst().ring() } else { isUnderWay = false }
    }

    /// What is to be when a ruleset is put in force the next time.
    func prepare(_ changes: [LiveChange]) {
        // To write all that there is anew takes time, and what it counts begins at nothing.
        guard !changes.isEmpty else { return }
        for change in changes { elements.apply(change) }
        isWholeDue = true
    }

    /// Whoever takes a rule away and back finds what it knew for as long as that is there.
    func forgetAddresses(besides names: Set<String>) { elements.forgetAddresses(besides: names) }

    /// A role that has just begun knows of nothing.
    func forget() { isWholeDue = true }

    /// Right before a ruleset is put in force: the role knows everything by then.
    func bringUp() async throws(Refusal) {
        guard let process else { return }
        // What comes meanwhile makes it due again.
        while isWholeDue {
            isWholeDue = false
            do throws(Refusal) {
                try await process.change(elements.changes, isWhole: true)
            } catch {
                isWholeDue = true
                throw error
            }
        }
    }
}

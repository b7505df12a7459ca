import Address
import Glibc
import Logging
import Machine
import Policy
import Reactor

/// What the gateway has changed about the machine beside its table: kernel settings and addresses of interfaces. What was
/// there before is kept in a file, and given back when the policy asks for it no longer. The file lies where the next start of
/// the machine finds none: that begins with values of its own.
///
/// Belongs to the gateway and its thread.
final class Ground {
    /// What the file holds: lines of words, so that the package can read it when it goes.
    private struct Memory: Equatable {
        /// Settings as they were, in the order in which they were changed.
        var former: [(name: String, value: String)] = []
        /// The addresses that interfaces have from the gateway.
        var given: [Groundwork.Assignment] = []

        static func == (left: Self, right: Self) -> Bool { left.text == right.text }

        init(_ text: String) {
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ", maxSplits: 2).map(String.init)
                switch words.first {
                case "setting" where words.count == 3: former.append((words[1], words[2]))
                case "address" where words.count == 3:
                    guard let address = InterfaceAddress(words[2]) else { continue }
                    given.append(.init(interface: words[1], address: address))
                default: break
                }
            }
        }

        var text: String {
            former.map { "setting \($0.name) \($0.value)\n" }.joined()
                + given.map { "address \($0.interface) \($0.address)\n" }.joined()
        }
    }

    private let path: String
    private let log: Logger
    private var memory: Memory
    /// What could not be done, a sentence each; empty: all is as it is to be.
    private(set) var faults: [String] = []

    init(directory: String, log: Logger) {
        path = directory + "/ground"
        self.log = log
        memory = Memory(StateFile.read(path).map { String(decoding: $0, as: UTF8.self) } ?? "")
    }

    /// Gives back what `work` does not ask for. To be called before the kernel holds other rules: what is passed on no longer is
    /// then passed on no longer.
    ///
    /// - Parameter keepsAddresses: addresses stay that are asked for no longer, since the change may be taken back.
    func withdraw(for work: Groundwork, keepsAddresses: Bool) {
        let wanted = Set(work.settings.map(\.name))
        for former in memory.former.reversed() where !wanted.contains(former.name) {
            // Of an interface that is gone nothing is left to give back.
            if KernelSetting.value(of: former.name) != nil {
                guard set(former.name, to: former.value) else { continue }
            }
            memory.former.removeAll { $0.name == former.name }
        }
        if !keepsAddresses {
            for given in memory.given where !work.assignments.contains(given) {
                do throws(MachineFailure) {
                    try Interface.remove(given.address, from: given.interface)
                    memory.given.removeAll { $0 == given }
                    log.notice("\(given.interface) has \(given.address) no longer")
                } catch {
                    note("\(given.address) cannot be taken from \(given.interface): \(error)")
                }
            }
        }
        keep()
    }

    /// Makes what `work` asks for. To be called once the kernel holds the rules.
    func prepare(_ work: Groundwork) {
        faults = []
        for assignment in work.assignments {
            do throws(Refusal) { try give(assignment) } catch { note("\(error)") }
        }
        for setting in work.settings {
            guard let text = KernelSetting.value(of: setting.name), let value = Int(text) else { continue }
            guard let successor = setting.wish.successor(of: value) else { continue }
            // Before the value is changed: a daemon that dies in between must not take the new one for what was there before.
            if !memory.former.contains(where: { $0.name == setting.name }) {
                memory.former.append((setting.name, text))
                keep()
            }
            _ = set(setting.name, to: "\(successor)")
        }
        keep()
    }

    /// Whether the machine is as `work` asks for.
    func isReady(for work: Groundwork, in surroundings: Surroundings) -> Bool {
        work.settings.allSatisfy { setting in
            guard let value = KernelSetting.value(of: setting.name).flatMap({ Int($0) }) else { return true }
            return setting.wish.successor(of: value) == nil || faults.contains { $0.contains(setting.name) }
        }
            && work.assignments.allSatisfy { assignment in
                surroundings.interface(named: assignment.interface)?.addresses.contains(assignment.address) == true
                    || faults.contains { $0.contains("\(assignment.address)") }
            }
    }

    /// Gives an interface an address, before anything listens on it. An interface after which another program looks is left to
    /// that: of two that give addresses each takes away what the other gave.
    func give(_ assignment: Groundwork.Assignment) throws(Refusal) {
        if !holds(assignment), !memory.given.contains(assignment),
            let keeper = NetworkKeeper.of(assignment.interface)
        {
            let remedy = keeper.remedy("\(assignment.address)", on: assignment.interface)
            throw Refusal("\(keeper) looks after the addresses of \(assignment.interface): \(remedy)")
        }
        do throws(MachineFailure) {
            // An address that somebody else gave is not ours to take.
            if holds(assignment) { return }
            if !memory.given.contains(assignment) {
                memory.given.append(assignment)
                keep()
            }
            try Interface.add(assignment.address, to: assignment.interface)
            log.notice("\(assignment.interface) has \(assignment.address) now")
        } catch {
            throw Refusal("\(assignment.interface) cannot have \(assignment.address): \(error)")
        }
    }

    private func holds(_ assignment: Groundwork.Assignment) -> Bool {
        (try? Interface.all())?.contains {
            $0.name == assignment.interface && $0.addresses.contains(assignment.address) && $0.isUp
        } ?? false
    }

    private func set(_ name: String, to value: String) -> Bool {
        do throws(MachineFailure) {
            try KernelSetting.set(name, to: value)
            log.info("\(name) is \(value) now")
            return true
        } catch {
            note("\(error)")
            return false
        }
    }

    private func note(_ fault: String) {
        if !faults.contains(fault) { log.warning("\(fault)") }
        faults.append(fault)
    }

    // MARK: the file

    private var kept: Memory?

    private func keep() {
        guard kept != memory else { return }
        do throws(Errno) {
            try StateFile.write(Array(memory.text.utf8), to: path)
            kept = memory
        } catch {
            log.warning("what this machine was like before cannot be kept: \(error)")
        }
    }
}

import Address
import Firewall
import Glibc
import Policy
import Reactor
import Ruleset
import Supervisor

/// The firewall role: makes the kernel hold the ruleset that an assignment asks for, or only tells what it would be.
///
/// Its netlink calls block, which holds up nobody: it is all that this process does.
actor FirewallRole: RoleService {
    private let reactor: Reactor
    private let events: EventLine
    private var current: Plan?
    private var staged: Plan?
    /// Why the first ruleset could not be put in force.
    private var failure: FirewallError?

    private struct Plan {
        let ruleset: Ruleset
        let isEnforced: Bool
        let isReleased: Bool
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    init(_ equipment: RoleEquipment) {
        reactor = equipment.reactor
        events = equipment.events
    }

    /// Needs no sockets.
    func offer(_ endpoint: Endpoint, _ socket: consuming Descriptor) {}

    func stage(_ assignment: FirewallAssignment) async throws(Refusal) {
        staged = Plan(
            ruleset: Ruleset(policy: assignment.policy, surroundings: assignment.surroundings),
            isEnforced: assignment.hold == .enforced, isReleased: assignment.hold == .released)
    }

    /// One transaction: the kernel takes all of it or none.
    func commit() async throws(Refusal) {
        guard let plan = staged else { throw Refusal("there is nothing to commit") }
        staged = nil
        do throws(FirewallError) {
            if plan.isEnforced {
                var netlink = try Netlink()
                // A reload finds most often what it left, and then the counters go on.
                if try netlink.state(of: plan.ruleset) != .same { try netlink.apply(plan.ruleset) }
            } else if plan.isReleased {
                var netlink = try Netlink()
                try netlink.remove()
            }
        } catch {
            guard let current else {
                // What the kernel took, if it took it, stays: a door that is shut in doubt.
                (current, failure) = (plan, error)
                throw Refusal("\(error)")
            }
            if error.isTaken { goBack(to: current) }
            throw Refusal("the firewall is unchanged: \(error)")
        }
        (current, failure) = (plan, nil)
    }

    /// The kernel is to hold what it held before. If that cannot be had, nobody knows what it holds: the role gives up, and
    /// its successor puts in force what is to be.
    private func goBack(to plan: Plan) {
        do throws(FirewallError) {
            var netlink = try Netlink()
            if plan.isEnforced { try netlink.apply(plan.ruleset) } else { try netlink.remove() }
        } catch {
            exit(1)
        }
    }

    func abort() {
        staged = nil
    }

    func drain(for limit: Duration) {}

    /// Has none.
    func sessions(_ query: SessionQuery) -> SessionList { SessionList() }

    func endSessions(_ selection: SessionSelection) -> Int { 0 }

    func report() -> Report {
        guard let current else { return Report(kernel: .starting) }
        return Report(kernel: kernelState(current), ruleset: current.ruleset.description)
    }

    private func kernelState(_ current: Plan) -> KernelState {
        if let failure { return .failed(reason: failure.description) }
        do throws(FirewallError) {
            var netlink = try Netlink()
            switch (try netlink.state(of: current.ruleset), current.isEnforced) {
            case (.same, true): return .held
            case (.same, false), (.different, false):
                return .left(
                    detail: "the kernel holds a table from before; `gatehousectl firewall enforce` takes it over, "
                        + "`firewall observe` takes it out")
            case (.absent, true): return .absent
            case (.different(let what), true): return .different(detail: what)
            case (.absent, false): return .observing
            }
        } catch {
            return current.isEnforced ? .unknown(reason: error.description) : .observing
        }
    }
}

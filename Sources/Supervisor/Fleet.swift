import Logging
import Policy
import Reactor

/// The processes of all roles, and the orders that go to several of them.
///
/// Belongs to the gateway and its thread.
final class Fleet {
    let processes: [RoleProcess]
    private let log: Logger

    init(_ roles: [Role], reactor: Reactor, lists: BlocklistFiles, log: Logger) throws(Errno) {
        self.log = log
        var processes: [RoleProcess] = []
        for role in roles { processes.append(try RoleProcess(role: role, reactor: reactor, lists: lists, log: log)) }
        self.processes = processes
    }

    subscript(role: Role) -> RoleProcess? { processes.first { $0.role == role } }

    /// The roles that carry clients' sessions.
    var relays: [RoleProcess] { processes.filter { !$0.role.serves.isEmpty } }

    /// Every relay that is at work gets ready for its share of `estate`, if it is another one than it has.
    ///
    /// - Throws: the refusal of the first relay that objects. The relays that are ready by then wait for `abort`.
    func stage(_ estate: Estate, _ sockets: ListenerSockets) async throws(Refusal) {
        for relay in relays where relay.isRunning {
            let share = relay.role.share(estate, relay.role)
            if relay.needs(share) { try await relay.stage(share, sockets) }
        }
    }

    /// Every relay that is ready for another share forgets it.
    func abort() async {
        for relay in relays where relay.isStaged {
            let generation = relay.generation
            do throws(Refusal) {
                try await relay.abort()
            } catch {
                relay.kill(generation)
            }
        }
    }

    /// Puts the staged shares in force. A relay could have refused its share when it was staged; one that fails here is broken
    /// and restarted.
    func commit() async {
        for relay in relays where relay.isRunning && relay.isStaged {
            let generation = relay.generation
            do throws(Refusal) {
                try await relay.commit()
            } catch {
                log.error("\(error)")
                relay.kill(generation)
            }
        }
    }
}

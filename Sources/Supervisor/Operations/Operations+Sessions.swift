import Admin
import Logging
import Policy
import Reactor

/// What goes on at present. It is the roles' to know; here it is asked for and put together.
extension Operations {
    static let sessions: [Method<Gateway>] = [
        Method(ListSessions.self) { gateway, call, _ in
            let now = Int(MonotonicClock.nanoseconds / 1000)
            let query = SessionQuery(
                SessionSelection(user: call.user, client: call.client, device: try gateway.deviceName(call.device)),
                order: call.order ?? .age, limit: call.limit,
                measuresRates: call.rates ?? false, endedAfter: call.endedAfter, now: now)
            let parts = try await gateway.askRoles { role throws(Refusal) in try await role.sessions(query) }
            return ListSessions.Reply(SessionList(merging: parts, for: query), time: now)
        },
        Method(ListSessionLog.self) { gateway, call, _ in
            var query = call.query
            query.device = try gateway.deviceName(call.device)
            let meant = query
            let parts = try await gateway.askRoles { role throws(Refusal) in try await role.sessionLog(meant) }
            let all = SessionLogList(merging: parts, for: meant)
            return ListSessionLog.Reply(entries: all.entries, logging: gateway.policy.sessionLogging)
        },
        Method(SetSessionLogging.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "session log \(call.logging.rawValue)") { policy throws(Refusal) in
                policy.sessionLogging = call.logging
            }
        },
        Method(EndSessions.self) { gateway, call, caller in
            guard !call.selection.isEverything else {
                throw Refusal("name the sessions: by their numbers, by user, by client or by device")
            }
            var selection = call.selection
            selection.device = try gateway.deviceName(call.device)
            let meant = selection
            let counts = try await gateway.askRoles { role throws(Refusal) in try await role.endSessions(meant) }
            let count = counts.reduce(0, +)
            if count > 0 {
                gateway.log.notice("\(count) sessions ended", metadata: ["author": "\(caller.author.name)"])
            }
            return EndSessions.Reply(ended: count)
        },
    ]
}

extension Gateway {
    /// Asks each role that runs and has sessions: the relays, and the firewall for what the kernel passes on. A role that dies
    /// meanwhile gives no answer.
    func askRoles<Answer>(
        _ question: (RoleProcess) async throws(Refusal) -> Answer
    ) async throws(Refusal) -> [Answer] {
        var answers: [Answer] = []
        for role in fleet.relays + [fleet[.firewall]].compactMap(\.self) where role.isRunning {
            do throws(Refusal) {
                answers.append(try await question(role))
            } catch {
                guard role.isRunning else { continue }
                throw error
            }
        }
        return answers
    }
}

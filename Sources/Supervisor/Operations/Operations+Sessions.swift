import Admin
import Logging
import Policy
import Reactor

/// What goes on at present. It is the relays' to know; here it is asked for and put together.
extension Operations {
    static let sessions: [Method<Gateway>] = [
        Method(ListSessions.self) { gateway, call, _ in
            let now = Int(MonotonicClock.nanoseconds / 1000)
            let query = SessionQuery(
                SessionSelection(user: call.user, client: call.client), order: call.order ?? .age, limit: call.limit,
                measuresRates: call.rates ?? false, endedAfter: call.endedAfter, now: now)
            let parts = try await gateway.askRelays { relay throws(Refusal) in try await relay.sessions(query) }
            return ListSessions.Reply(SessionList(merging: parts, for: query), time: now)
        },
        Method(ListSessionLog.self) { gateway, call, _ in
            let parts = try await gateway.askRelays { relay throws(Refusal) in try await relay.sessionLog(call.query) }
            let all = SessionLogList(merging: parts, for: call.query)
            return ListSessionLog.Reply(entries: all.entries, logging: gateway.policy.sessionLogging)
        },
        Method(SetSessionLogging.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "session log \(call.logging.rawValue)") { policy throws(Refusal) in
                policy.sessionLogging = call.logging
            }
        },
        Method(EndSessions.self) { gateway, call, caller in
            guard !call.selection.isEverything else {
                throw Refusal("name the sessions: by their numbers, by user or by client")
            }
            let counts = try await gateway.askRelays { relay throws(Refusal) in
                try await relay.endSessions(call.selection)
            }
            let count = counts.reduce(0, +)
            if count > 0 {
                gateway.log.notice("\(count) sessions ended", metadata: ["author": "\(caller.author.name)"])
            }
            return EndSessions.Reply(ended: count)
        },
    ]
}

extension Gateway {
    /// Asks each relay that runs. A relay that dies meanwhile has no sessions any more and gives no answer.
    fileprivate func askRelays<Answer>(
        _ question: (RoleProcess) async throws(Refusal) -> Answer
    ) async throws(Refusal) -> [Answer] {
        var answers: [Answer] = []
        for relay in fleet.relays where relay.isRunning {
            do throws(Refusal) {
                answers.append(try await question(relay))
            } catch {
                guard relay.isRunning else { continue }
                throw error
            }
        }
        return answers
    }
}

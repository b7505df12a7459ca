import Address
import Foundation
import Policy
import Reactor
import Testing

@testable import Admin

@Suite final class `The dispatcher` {
    let gateway: Gateway
    private let reactor: Reactor
    let root = Caller(author: Author(uid: 0, name: "root"), isOperator: true)
    let stranger = Caller(author: Author(uid: 1000, name: "mallory"), isOperator: false)

    init() throws {
        reactor = try Reactor(counters: Counters())
        reactor.start()
        gateway = Gateway(on: reactor)
    }

    deinit { reactor.stop() }

    private func answer(_ json: String, from caller: Caller? = nil) async -> String {
        switch await Dispatcher(handler: gateway).answer(Array(json.utf8), from: caller ?? root) {
        case .reply(let bytes): String(decoding: bytes, as: UTF8.self)
        case .none: "none"
        case .hangUp: "hang up"
        }
    }

    @Test func `a call is answered with its parameters`() async {
        #expect(
            await answer(#"{"method":"org.gatehouse.Admin.GetVersion"}"#)
                == #"{"parameters":{"version":"\#(gatehouseVersion)"}}"#)
        #expect(
            await answer(#"{"method":"org.gatehouse.Admin.RemoveRule","parameters":{"id":1}}"#)
                == #"{"parameters":{"changes":["+ no rule 1"],"revision":2,"warnings":[]}}"#)
        #expect(await gateway.policy.rules.isEmpty)
    }

    @Test func `a oneway call is carried out and not answered`() async {
        #expect(
            await answer(#"{"method":"org.gatehouse.Admin.RemoveRule","parameters":{"id":1},"oneway":true}"#) == "none")
        #expect(await gateway.policy.rules.isEmpty)
    }

    @Test(arguments: [
        (
            "org.gatehouse.Admin.Nonsense",
            #""org.varlink.service.MethodNotFound","parameters":{"method":"org.gatehouse"#
        ),
        ("org.nowhere.Get", #""org.varlink.service.InterfaceNotFound","parameters":{"interface":"org.nowhere"}"#),
        ("GetStatus", #""org.varlink.service.InterfaceNotFound","parameters":{"interface":""}"#),
        ("", #""org.varlink.service.InterfaceNotFound","parameters":{"interface":""}"#),
    ])
    func `an unknown method is told apart from an unknown interface`(method: String, error: String) async {
        #expect(await answer(#"{"method":"\#(method)"}"#).hasPrefix(#"{"error":"# + error))
    }

    @Test(arguments: [
        (#"{"listener":{"kind":"socks5","endpoint":"127.0.0.1:99999","authentication":"none"}}"#, "listener.endpoint"),
        (#"{"listener":{"kind":"gopher","endpoint":"127.0.0.1:70","authentication":"none"}}"#, "listener.kind"),
        (#"{"listener":{"kind":"socks5","endpoint":"127.0.0.1:70"}}"#, "listener.authentication"),
        (#"{"listener":7}"#, "listener"),
        (#"{}"#, "listener"),
        (#"[]"#, "parameters"),
        (#""text""#, "parameters"),
        (
            #"{"listener":{"kind":"socks5","endpoint":"127.0.0.1:70","authentication":"none","interfce":"eth1"}}"#,
            "listener.interfce"
        ),
        (
            #"{"listener":{"kind":"socks5","endpoint":"127.0.0.1:70","authentication":"none"},"force":true}"#,
            "force"
        ),
    ])
    func `a wrong, missing or unknown parameter is named and nothing is changed`(
        parameters: String, name: String
    ) async {
        #expect(
            await answer(#"{"method":"org.gatehouse.Admin.AddListener","parameters":\#(parameters)}"#)
                == #"{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"\#(name)"}}"#)
        #expect(await gateway.history.count == 1)
    }

    @Test func `null stands for an optional parameter that is not given`() async {
        let call = #"{"kind":"socks5","endpoint":"127.0.0.1:70","authentication":"none","interface":null}"#
        #expect(
            await answer(#"{"method":"org.gatehouse.Admin.AddListener","parameters":{"listener":\#(call)}}"#)
                .contains(#""revision":2"#))
        #expect(await answer(#"{"method":"org.gatehouse.Admin.ListRevisions"}"#).contains(#""id":2"#))
    }

    @Test(arguments: [
        "", "{", "GET / HTTP/1.1", "[]", "null", "7", #"{"method":7}"#, #"{"parameters":{}}"#, "\u{fffd}",
        #"{"method":"a","oneway":"yes"}"#,
    ])
    func `what is no call costs the connection`(frame: String) async {
        #expect(await answer(frame) == "hang up")
    }

    @Test(arguments: ["", #"{"method":"org.gatehouse.Admin.GetStatus","parameters":"#])
    func `so do brackets without an end`(beginning: String) async {
        #expect(await answer(beginning + String(repeating: "[", count: 100_000)) == "hang up")
    }

    @Test func `an error of the handler keeps its reason`() async {
        #expect(
            await answer(
                #"{"method":"org.gatehouse.Admin.RemoveListener","parameters":{"endpoint":"[::1]:9"}}"#)
                == #"{"error":"org.gatehouse.Admin.NotFound","parameters":{"reason":"there is no listener at [::1]:9"}}"#
        )
    }

    @Test func `who is no operator may call what is open to everybody, and nothing else`() async {
        for call in Interface.calls {
            let reply = await answer(#"{"method":"org.gatehouse.Admin.\#(call.name)"}"#, from: stranger)
            if ["GetVersion", "GetStatus", "GetClientSetup"].contains(call.name) {
                #expect(reply.hasPrefix(#"{"parameters""#))
            } else {
                #expect(
                    reply.hasPrefix(
                        #"{"error":"org.gatehouse.Admin.PermissionDenied","parameters":{"reason":"mallory"#))
            }
        }
        #expect(await gateway.history.count == 1)
    }

    @Test func `the service describes itself`() async throws {
        let info = await answer(#"{"method":"org.varlink.service.GetInfo"}"#, from: stranger)
        #expect(info.contains(#""interfaces":["org.varlink.service","org.gatehouse.Admin"]"#))
        for interface in [Interface.admin, Interface.service] {
            let call =
                #"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"\#(interface)"}}"#
            #expect(await answer(call, from: stranger).contains(#"\ninterface \#(interface)\n"#))
        }
    }
}

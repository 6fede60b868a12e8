import Foundation
import TestSupport
import Testing

@Suite("The chart's certificates")
struct CertificateStepTests {
    private let folder: TemporaryFolder
    private let kube: KubeServer

    init() async throws {
        folder = try TemporaryFolder("certificates")
        kube = try await KubeServer()
    }

    private func step(
        _ name: String, _ arguments: [String] = [], _ environment: [String: String]
    ) async throws -> String {
        var variables = environment
        variables["PATH"] = try Steps.path()
        variables["KUBE_SERVER"] = kube.url
        variables["KUBE_ACCOUNT"] = kube.account
        return try await ChildProcess.check(
            ["sh", Deploy.path("image/steps/\(name)")] + arguments, environment: variables)
    }

    private func settings(authority: String, more: String = "") async throws {
        let template = try folder.write(
            "template", "[node]\nname = \"@NODE@\"\n[peers]\nlisten = \"127.0.0.1:4000\"\n")
        _ = try await step(
            "pod-settings", [template, folder.path("node")],
            ["NODE_NAME": "n1", "NODE_ADDRESS": "10.0.0.1", "AUTHORITY": authority, "MORE": more])
    }

    /// As another node would.
    private func expectTrusted() async throws {
        let (own, authority) = (folder.path("node/tls/tls.crt"), folder.path("node/tls/ca.crt"))
        let verdict = try await ChildProcess.run(["openssl", "verify", "-CAfile", authority, "-untrusted", own, own])
        #expect(verdict.succeeded, "\(verdict.text)")
        let text = try await ChildProcess.check(["openssl", "x509", "-in", own, "-noout", "-ext", "subjectAltName"])
        #expect(text.contains("n1"), "\(text)")
    }

    @Test("the job makes one authority, and each start of a pod a certificate of it")
    func job() async throws {
        let environment = [
            "NAMESPACE": "ns", "SECRET": "hawker-authority", "LABELS": #"{"app.kubernetes.io/name": "hawker"}"#,
        ]
        #expect(try await step("pod-authority", [], environment).contains("made the secret hawker-authority"))
        let secret = try #require(kube.get("api/v1/namespaces/ns/secrets/hawker-authority"))
        #expect(try await step("pod-authority", [], environment).contains("is there already"))
        #expect(kube.get("api/v1/namespaces/ns/secrets/hawker-authority") == secret)

        struct Secret: Decodable { let type: String, data: [String: Data] }
        let made = try JSONDecoder().decode(Secret.self, from: Data(secret.utf8))
        #expect(made.type == "kubernetes.io/tls")
        // As the chart mounts it.
        for (key, name) in [("tls.crt", "ca.crt"), ("tls.key", "ca.key"), ("ca.crt", "root.crt")] {
            try folder.write("authority/\(name)", Array(try #require(made.data[key])))
        }
        _ = try folder.makeFolder("node")
        for _ in 0..<2 {
            try await settings(authority: folder.path("authority"))
            try await expectTrusted()
        }
        try await kube.stop()
    }

    @Test("an authority that another one certified: its head is trusted, and what lies between goes along")
    func chain() async throws {
        let script = """
            cd "$1" && mkdir -p authority node
            key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
            openssl req -x509 $key -keyout root.key -out authority/root.crt -days 9 -subj /CN=root
            openssl req $key -keyout authority/ca.key -out ca.csr -subj /CN=between
            printf 'basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign,cRLSign\\n' >extensions
            openssl x509 -req -in ca.csr -CA authority/root.crt -CAkey root.key -CAcreateserial -days 9 \
                -extfile extensions -out authority/ca.crt
            cp authority/root.crt more.pem
            """
        try await ChildProcess.check(["sh", "-euc", script, "sh", folder.path])
        try await settings(authority: folder.path("authority"), more: folder.path("more.pem"))
        try await expectTrusted()
        #expect(try folder.read("node/tls/ca.crt") == folder.read("authority/root.crt"))
        #expect(try folder.read("node/tls/more.crt") == folder.read("more.pem"))
        try await kube.stop()
    }
}

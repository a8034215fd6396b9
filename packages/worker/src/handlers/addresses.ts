/**
 * Which addresses a task's HTTP request may reach. The link-local ranges are refused always: they
 * hold the metadata services that hand out a machine's cloud credentials. Loopback and private
 * ranges are refused on demand. The check is made on the address that is connected to, after the
 * name was resolved, so that a name that changes its mind gains nothing.
 */
import dns from "node:dns";
import net from "node:net";
import { NonRetryable } from "../errors.ts";

export class AddressGuard {
  readonly #denied: net.BlockList;

  /** `denyPrivate`: refuse loopback, private and shared ranges too. */
  constructor(denyPrivate: boolean) {
    this.#denied = blockList(denyPrivate ? [...ALWAYS, ...PRIVATE] : ALWAYS);
  }

  /** Throws `NonRetryable` when `address`, an IP address in text, must not be connected to. */
  check(address: string): void {
    const family = net.isIPv6(address) ? "ipv6" : "ipv4";
    if (this.#denied.check(address, family)) {
      throw new NonRetryable(`http: the address ${address} may not be reached from here`);
    }
  }

  /** Checks a host that is an address already; names are checked by `lookup` once resolved. */
  checkHost(hostname: string): void {
    const bare = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
    if (net.isIP(bare) !== 0) this.check(bare);
  }

  /** For `http.request`: resolves as usual, and fails when any of the addresses is refused. */
  readonly lookup: net.LookupFunction = (hostname, options, callback) => {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [], 0);
      try {
        for (const each of addresses) this.check(each.address);
      } catch (refusal) {
        return callback(refusal as NodeJS.ErrnoException, [], 0);
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}

type Range = readonly [network: string, prefix: number];

/** Link-local, the metadata address of one IPv6 cloud, and the NAT64 forms of the IPv4 range. */
const ALWAYS: readonly Range[] = [
  ["169.254.0.0", 16],
  ["fe80::", 10],
  ["fd00:ec2::254", 128],
  ["64:ff9b::a9fe:0", 112],
];

const PRIVATE: readonly Range[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
  ["::", 127],
  ["64:ff9b::", 96],
  ["fc00::", 7],
  ["ff00::", 8],
];

function blockList(ranges: readonly Range[]): net.BlockList {
  const list = new net.BlockList();
  for (const [network, prefix] of ranges) {
    list.addSubnet(network, prefix, net.isIPv6(network) ? "ipv6" : "ipv4");
  }
  return list;
}

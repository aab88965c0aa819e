/** Ports of the common services, by name, as in the table that Go has built in and in IANA's registry. */
const SERVICES: ReadonlyMap<string, number> = new Map([
  ["ftp", 21],
  ["ssh", 22],
  ["telnet", 23],
  ["smtp", 25],
  ["domain", 53],
  ["http", 80],
  ["pop3", 110],
  ["ntp", 123],
  ["imap", 143],
  ["imap2", 143],
  ["snmp", 161],
  ["ldap", 389],
  ["https", 443],
  ["submissions", 465],
  ["syslog", 514],
  ["submission", 587],
  ["ldaps", 636],
  ["domain-s", 853],
  ["ftps", 990],
  ["imaps", 993],
  ["pop3s", 995],
  ["mysql", 3306],
  ["postgresql", 5432],
  ["redis", 6379],
]);

/** The port of a service, in either case of letters; `undefined` for an unknown name. */
export function servicePort(name: string): number | undefined {
  return SERVICES.get(name.toLowerCase());
}

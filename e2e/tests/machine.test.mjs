/** systemd, for real: a system container stands in for a machine, the agent on it is the release binary. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { need } from '../harness/lab.mjs';
import { Scene } from '../harness/scene.mjs';
import { never, until } from '../harness/until.mjs';

const ID = 'unit-restart-vps-shop';

const SHOP = `[Service]
ExecStartPre=/bin/rm -f /run/ill
ExecStart=/bin/sh -c 'while [ ! -e /run/ill ]; do sleep 0.2; done; exit 1'
[Install]
WantedBy=multi-user.target
`;

/** @param {import('../harness/stead.mjs').Stead} stead @param {string} token */
const agentUnit = (stead, token) => `[Service]
Environment=STEAD_TOKEN=${token}
ExecStart=/usr/local/bin/stead agent --server ${stead.url} --node vps --data /var/lib/stead
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
`;

/** @param {import('node:test').TestContext} t */
async function vps(t) {
  const scene = new Scene(t);
  const machine = await scene.machine('vps');
  await machine.write('/etc/systemd/system/shop.service', SHOP);
  await machine.sh('systemctl enable --now shop.service');
  const fleet = await scene.fleet('vps', '  shop: { kind: systemd, unit: shop.service, patience: { failures: 1 } }\n');
  const stead = await scene.prepared(fleet, { node: 'vps' });
  await stead.startServer();
  const token = await until('the server left an agent token', () => stead.token('agent.token'));
  await machine.reach(stead.port);
  await machine.push(need('STEAD_BIN'), '/usr/local/bin/stead');
  await machine.write('/etc/systemd/system/stead-agent.service', agentUnit(stead, token));
  await machine.sh('systemctl enable --now stead-agent.service');
  await stead.serviceIs('shop', 'healthy');
  return { machine, stead };
}

test('a unit fails and is restarted after approval', async (t) => {
  const { machine, stead } = await vps(t);
  await machine.sh('touch /run/ill');
  const pending = await stead.actionIs(ID, 'pending');
  assert.equal(pending.kind, 'unit_restart');
  assert.equal(await machine.sh('systemctl is-active shop.service || true'), 'failed');
  await stead.cli('actions', 'approve', ID);
  await stead.actionIs(ID, 'completed');
  assert.equal(await machine.sh('systemctl is-active shop.service'), 'active');
  await stead.serviceIs('shop', 'healthy');
});

test('a reboot is one event, everything is fresh again, and nothing floods the queue', async (t) => {
  const { machine, stead } = await vps(t);
  const before = await machine.bootId();
  await machine.reboot();
  const after = await machine.bootId();
  const reboot = await until('the reboot is noticed', async () => (await stead.events('node_rebooted'))[0]);
  assert(JSON.stringify(reboot.data).includes(before) && JSON.stringify(reboot.data).includes(after));
  assert(reboot.data.away_ms < 120_000, `away for ${reboot.data.away_ms} ms`);
  await stead.fresh();
  await stead.serviceIs('shop', 'healthy');
  await machine.sh('systemctl restart stead-agent.service');
  await never('a second reboot', async () => (await stead.events('node_rebooted')).length > 1, 3_000);
  await stead.fresh();
  assert.deepEqual(await stead.actions(), []);
  assert.deepEqual(await stead.json('drift'), []);
});

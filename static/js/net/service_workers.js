// SPDX-License-Identifier: Apache-2.0

/**
 * The console has no service worker: one that is here was left by another program that once
 * answered on this port, to stand between this page and the service.
 */
export async function removeServiceWorkers(container = navigator.serviceWorker) {
  const registrations = (await container?.getRegistrations()) ?? [];
  await Promise.all(registrations.map((each) => each.unregister()));
}

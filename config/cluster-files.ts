import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { parse } from 'yaml'
import { type ClusterDescription, parseCluster } from '../core/cluster-file.js'
import { MillraceError } from '../core/errors.js'

/**
 * Reads a cluster file, in YAML or in JSON, which is YAML too.
 * @throws CLUSTER_INVALID: it cannot be read, is not YAML, or describes no cluster
 */
export async function readClusterFile(path: string): Promise<ClusterDescription> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw MillraceError.from(error, 'CLUSTER_INVALID', `${path}: `)
  })
  return parseCluster(contentOf(text, path), basename(path))
}

function contentOf(text: string, path: string): unknown {
  try {
    return parse(text) as unknown
  } catch (error) {
    throw MillraceError.from(error, 'CLUSTER_INVALID', `${path} is not YAML: `)
  }
}

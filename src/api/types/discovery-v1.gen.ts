// Written by scripts/generate-types.ts from the structure of the Kubernetes API, level 1.36. Do not edit.
import type { ObjectReference } from './core-v1.gen.ts'
import type { ListMeta, ObjectMeta } from './meta-v1.gen.ts'

export interface Endpoint {
  readonly addresses: readonly string[]
  readonly conditions?: EndpointConditions
  readonly deprecatedTopology?: Readonly<Record<string, string>>
  readonly hints?: EndpointHints
  readonly hostname?: string
  readonly nodeName?: string
  readonly targetRef?: ObjectReference
  readonly zone?: string
}

export interface EndpointConditions {
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
}

export interface EndpointHints {
  readonly forNodes?: readonly ForNode[]
  readonly forZones?: readonly ForZone[]
}

export interface EndpointPort {
  readonly appProtocol?: string
  readonly name?: string
  readonly port?: number
  readonly protocol?: string
}

export interface EndpointSlice {
  readonly addressType: string
  readonly apiVersion?: string
  readonly endpoints?: readonly Endpoint[]
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly ports?: readonly EndpointPort[]
}

export interface EndpointSliceList {
  readonly apiVersion?: string
  readonly items: readonly EndpointSlice[]
  readonly kind?: string
  readonly metadata?: ListMeta
}

export interface ForNode {
  readonly name: string
}

export interface ForZone {
  readonly name: string
}

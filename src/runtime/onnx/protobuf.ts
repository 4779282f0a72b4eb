/**
 * Writes ONNX models as protobuf (onnx.proto, IR version 10): the few messages and fields that our graphs need,
 * declared as a descriptor and encoded by @bufbuild/protobuf. Knows the wire format only, not what operators mean.
 */
import { create, createFileRegistry, toBinary, type DescMessage } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import type { Dim } from '../../graph/dim.ts';
import type { DType } from '../../graph/dtype.ts';
import { elementTypes } from './symbols.ts';

export type AttributeValue =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] };

export interface OnnxNode {
  readonly name: string;
  readonly operator: string;
  /** '' is ONNX itself. */
  readonly domain: string;
  /** Names of tensors; '' for an optional one that is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface OnnxTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Little-endian, row-major. */
  readonly bytes: Uint8Array;
}

export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export interface OnnxModel {
  readonly name: string;
  /** In the order in which they should run. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  /** Constants whose data is not part of the model: the session is told once where it is, and may rearrange it. */
  readonly constants: readonly OnnxValue[];
  readonly inputs: readonly OnnxValue[];
  /** Inputs that the program itself gives in each run. */
  readonly given: readonly GivenInput[];
  readonly outputs: readonly OnnxValue[];
  /** Not part of ONNX: kernels that must not meet an empty tensor. */
  readonly notEmpty?: readonly NotEmpty[];
}

/** An input that is a constant, as it is or in panels (`../native/linear-kernel.ts`). */
export interface GivenInput extends OnnxValue {
  readonly constant: string;
  readonly form: 'plain' | 'panels';
}

export interface NotEmpty {
  readonly operation: string;
  readonly shape: readonly Dim[];
}

const irVersion = 10n;
/** TensorProto.DataLocation: not in this message. */
const externalLocation = 1;
/** The domain of operators of our own. */
export const ownDomain = 'aha';
/** Versions of the operator sets that the lowering is written for. */
const operatorSets = [
  { domain: '', version: 22n },
  { domain: 'com.microsoft', version: 1n },
];

/** The bytes of a ModelProto. */
export function encodeModel(model: OnnxModel): Uint8Array {
  return toBinary(
    messages.ModelProto,
    create(messages.ModelProto, {
      irVersion,
      producerName: 'aha',
      opsetImport: model.nodes.some(({ domain }) => domain === ownDomain)
        ? [...operatorSets, { domain: ownDomain, version: 1n }]
        : operatorSets,
      graph: {
        name: model.name,
        // Last first: see schedule.ts.
        node: model.nodes.toReversed().map((node) => ({
          name: node.name,
          opType: node.operator,
          domain: node.domain,
          input: node.inputs,
          output: node.outputs,
          attribute: Object.entries(node.attributes).map(([name, value]) => encodeAttribute(name, value)),
        })),
        initializer: [
          ...model.initializers.map((tensor) => ({ ...encodeTensor(tensor), rawData: tensor.bytes })),
          ...model.constants.map((tensor) => ({
            ...encodeTensor(tensor),
            externalData: [{ key: 'location', value: 'memory' }],
            dataLocation: externalLocation,
          })),
        ],
        input: [...model.inputs, ...model.given].map(encodeValue),
        output: model.outputs.map(encodeValue),
      },
    }),
  );
}

function encodeTensor({ name, dtype, shape }: OnnxValue) {
  return { name, dataType: elementTypes[dtype], dims: shape.map(BigInt) };
}

function encodeValue({ name, dtype, shape }: OnnxValue): object {
  const dim = shape.map((size) => ({
    value:
      typeof size === 'number'
        ? { case: 'dimValue', value: BigInt(size) }
        : { case: 'dimParam', value: size },
  }));
  return { name, type: { tensorType: { elemType: elementTypes[dtype], shape: { dim } } } };
}

/** AttributeProto says which of its fields holds the value (`type`). */
function encodeAttribute(name: string, attribute: AttributeValue): object {
  switch (attribute.kind) {
    case 'float':
      return { name, type: 1, f: attribute.value };
    case 'int':
      return { name, type: 2, i: BigInt(attribute.value) };
    case 'string':
      return { name, type: 3, s: new TextEncoder().encode(attribute.value) };
    case 'ints':
      return { name, type: 7, ints: attribute.value.map(BigInt) };
  }
}

type FieldType = 'int64' | 'int32' | 'float' | 'string' | 'bytes' | (string & {});

/** `[]` after a type means repeated; other names are messages. Numbers are those of onnx.proto. */
const schema: Readonly<Record<string, Readonly<Record<string, readonly [number, FieldType]>>>> = {
  ModelProto: {
    ir_version: [1, 'int64'],
    producer_name: [2, 'string'],
    graph: [7, 'GraphProto'],
    opset_import: [8, 'OperatorSetIdProto[]'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  GraphProto: {
    node: [1, 'NodeProto[]'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto[]'],
    input: [11, 'ValueInfoProto[]'],
    output: [12, 'ValueInfoProto[]'],
  },
  NodeProto: {
    input: [1, 'string[]'],
    output: [2, 'string[]'],
    name: [3, 'string'],
    op_type: [4, 'string'],
    attribute: [5, 'AttributeProto[]'],
    domain: [7, 'string'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    ints: [8, 'int64[]'],
    type: [20, 'int32'],
  },
  TensorProto: {
    dims: [1, 'int64[]'],
    data_type: [2, 'int32'],
    name: [8, 'string'],
    raw_data: [9, 'bytes'],
    external_data: [13, 'StringStringEntryProto[]'],
    data_location: [14, 'int32'],
  },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'] },
  TypeProto: { tensor_type: [1, 'TensorTypeProto'] },
  TensorTypeProto: { elem_type: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'DimensionProto[]'] },
  DimensionProto: { dim_value: [1, 'int64'], dim_param: [2, 'string'] },
};

const scalarTypes: Readonly<Record<string, Type>> = {
  int64: Type.INT64,
  int32: Type.INT32,
  float: Type.FLOAT,
  string: Type.STRING,
  bytes: Type.BYTES,
};

const messages = declareMessages();

function declareMessages(): Record<'ModelProto', DescMessage> {
  const file = create(FileDescriptorProtoSchema, {
    name: 'onnx.proto',
    package: 'onnx',
    syntax: 'proto2',
    messageType: Object.entries(schema).map(([name, fields]) => ({
      name,
      oneofDecl: name === 'DimensionProto' ? [{ name: 'value' }] : [],
      field: Object.entries(fields).map(([field, [number, declared]]) => {
        const base = declared.replace('[]', '');
        const scalar = scalarTypes[base];
        return {
          name: field,
          number,
          label: declared.endsWith('[]') ? Label.REPEATED : Label.OPTIONAL,
          type: scalar ?? Type.MESSAGE,
          ...(scalar === undefined ? { typeName: `.onnx.${base}` } : {}),
          ...(name === 'DimensionProto' ? { oneofIndex: 0 } : {}),
        };
      }),
    })),
  });
  const ModelProto = createFileRegistry(file, () => undefined).getMessage('onnx.ModelProto');
  if (ModelProto === undefined) throw new TypeError('onnx.ModelProto is not declared');
  return { ModelProto };
}
